/**
 * A picture as the background of an image's own box.
 * It is set by an animation that stands still: the element keeps its styles and attributes as they are, so a copy of it
 * has none of ours.
 */

const ON_TOP = {
  backgroundOrigin: "content-box",
  backgroundClip: "content-box",
  backgroundRepeat: "no-repeat",
  backgroundAttachment: "scroll",
  backgroundBlendMode: "normal",
};
const AWAY = "-99999px 0"; // an object-position outside every box

export class Background {
  /** @type {HTMLImageElement} */
  #img;
  /** @type {Animation | undefined} */
  #shown;
  /** @type {Animation | undefined} */
  #cover;
  #address = "";

  /** @param {HTMLImageElement} img */
  constructor(img) {
    this.#img = img;
  }

  /**
   * Shows a picture once it is ready to be drawn.
   * @param {string} address a data URL, or one of `URL.createObjectURL`, which ends with the picture
   * @param {() => boolean} wanted whether it is still to be shown then
   * @param {() => boolean} over whether to hide what the element paints itself: its image before the last change of src
   * @throws {Error} if the browser cannot show it
   */
  async show(address, wanted, over) {
    const picture = Object.assign(new Image(), { src: address });
    try {
      await picture.decode();
    } catch {
      URL.revokeObjectURL(address);
      if (!wanted()) return;
      throw new Error("the browser cannot show it, or the page's policy refuses it (img-src)");
    }
    if (!wanted()) {
      URL.revokeObjectURL(address);
      return;
    }
    this.remove(); // the page's own styles can be read then
    this.#address = address;
    const style = getComputedStyle(this.#img);
    // Firefox writes the text of alt over the picture, where it needs a halo.
    this.#shown = hold(this.#img, { ...layers(this.#img, style, address), textShadow: haloOf(style.color) });
    if (over()) this.#cover = hold(this.#img, { objectPosition: AWAY });
  }

  /** Lets the element paint its own image over the picture. */
  uncover() {
    this.#cover?.cancel();
  }

  /** Shows what the page has set alone. */
  remove() {
    this.uncover();
    this.#shown?.cancel();
    URL.revokeObjectURL(this.#address);
  }
}

/**
 * @param {HTMLImageElement} img
 * @param {Record<string, string>} styles values of properties, held until the animation is cancelled
 */
function hold(img, styles) {
  const frames = Object.entries(styles).map(([name, value]) => [name, [value, value]]);
  return img.animate(Object.fromEntries(frames), { duration: 0, fill: "forwards" });
}

/**
 * @param {string} picture a value of CSS
 * @returns {string} the same picture; Chromium does not take it for the page's Largest Contentful Paint
 */
function uncounted(picture) {
  const made = `-webkit-cross-fade(${picture}, ${picture}, 1)`;
  return CSS.supports("background-image", made) ? made : picture;
}

/** @type {(colour: string) => string} a text-shadow around text of this colour */
function haloOf(colour) {
  const [red, green, blue] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  const blur = `0 0 3px ${red + 2 * green + blue > 510 ? "#000" : "#fff"}`;
  return `${blur}, ${blur}, ${blur}`;
}

/**
 * @param {HTMLImageElement} img
 * @param {CSSStyleDeclaration} style its computed style
 * @param {string} address of the picture
 * @returns {Record<string, string>} backgrounds: the picture in the content box, and the page's own behind it
 */
function layers(img, style, address) {
  /** @type {Record<string, string>} */
  const top = {
    ...ON_TOP,
    backgroundImage: uncounted(`url("${address.replace(/["\\\s]/g, encodeURIComponent)}")`),
    backgroundSize: sizeOf(img, style),
    backgroundPosition: style.objectPosition,
  };
  const most = style.backgroundImage.split(",").length; // of the page's layers: shorter lists start again
  for (const [name, value] of Object.entries(top)) {
    const own = style[/** @type {"backgroundImage"} */ (name)];
    top[name] = [value, ...Array(name === "backgroundImage" ? 1 : most).fill(own)].join();
  }
  return top;
}

/**
 * @param {HTMLImageElement} img its attributes `width` and `height` say how large the image to come is
 * @param {CSSStyleDeclaration} style its computed style
 * @returns {string} the background-size for its object-fit
 */
function sizeOf(img, style) {
  const fit = style.objectFit;
  if (fit === "fill") return "100% 100%";
  if (fit === "cover" || fit === "contain") return fit;
  const [width, height] = ["width", "height"].map((name) => parseInt(img.getAttribute(name) ?? "", 10));
  const roomX = img.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const roomY = img.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
  const whole = width > 0 && height > 0 && (fit === "none" || (width <= roomX && height <= roomY));
  return whole ? `${width}px ${height}px` : "contain";
}
