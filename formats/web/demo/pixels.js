/** Pictures of a page to pixels and back. */

/**
 * A picture with sides of at most `longest` pixels, on a canvas.
 * @param {CanvasImageSource & { width: number, height: number }} source
 * @param {number} longest
 * @param {number[]} [part] left, top, width and height of what to take; all by default
 */
export function reduced(source, longest, [left, top, width, height] = [0, 0, source.width, source.height]) {
  return scaled(source, Math.min(1, longest / Math.max(width, height)), [left, top, width, height]);
}

/** A part of a picture on a canvas, smaller or larger. */
export function scaled(source, scale, [left, top, width, height]) {
  const canvas = Object.assign(document.createElement("canvas"), {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
  });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(source, left, top, width, height, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** The pixels of a canvas, RGBA. */
export const pixelsOf = (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);

/** Draws pixels on a canvas, which keeps its shape on the page. */
export function show(canvas, { width, height, data }) {
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(data), width, height), 0, 0);
}
