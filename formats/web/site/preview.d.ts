/** A picture on a page: attributes of its `img`, and the colour to show before the preview. */
export interface Photo {
  /** Pixels of the picture as its EXIF turns it. */
  width: number;
  height: number;
  /** A data URL of 26 bytes as base64, or of another number of tokens. */
  previewsrc: string;
  /** The average, "#rrggbb". */
  colour: string;
}

export interface PhotoOptions {
  /** 16 by default, 64 at most. */
  tokens?: number;
  /** Largest number of bytes of the preview instead. */
  targetSize?: number;
  /** "#rrggbb" behind transparent pixels; "#ffffff" by default. */
  background?: string;
}

/** 16, the default number of tokens. */
export const TOKENS: number;

/**
 * Makes the preview of a picture.
 * @param source path of a file that sharp reads, or its bytes
 * @throws {Error} if it is not there or damaged, or sharp is not installed
 * @throws {RangeError} if an option is wrong
 */
export function previewOf(source: string | Uint8Array, options?: PhotoOptions): Promise<Photo>;
