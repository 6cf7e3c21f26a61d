/** Whatever a file can cause, in one line. */
export class TokError extends Error {}

export interface Model {
  readonly name: string;
  /** 32 bytes; `.tok` files are checked against it. */
  readonly hash: Uint8Array;
  /** Tokens of a tile that the model file has, of `allTokens`. */
  readonly tokens: number;
  readonly allTokens: number;
  /** Source pixels along a tile's side below which the next set of codewords serves it. */
  readonly bounds: readonly number[];
  /** Sets of codewords that the model file has. */
  readonly scales: number;
  /** What `decode` can draw, the default first. */
  readonly looks: readonly string[];
}

export interface Header {
  tokens: number;
  /** In pixels, 0 for one tile. */
  pitch: number;
  width: number;
  height: number;
  flat: boolean;
  adaptive: boolean;
  /** Null for a bare file. */
  modelId: number | null;
}

/** RGBA; an ImageData is one. */
export interface Picture {
  width: number;
  height: number;
  data: Uint8ClampedArray | Uint8Array;
}

export type Bytes = ArrayBuffer | ArrayBufferView;

export interface ReadOptions {
  /** Two bytes instead of the header: for those who know the model. */
  bare?: boolean;
  /** Refuse larger pictures; 89478485 by default. */
  maxPixels?: number;
}

export interface DecodeOptions extends ReadOptions {
  /** Use no more than a file cut to so many per tile has. */
  tokens?: number;
  /** Of the result; with one of the two the other follows. By default the file's. */
  width?: number;
  height?: number;
  /** One of `model.looks`. */
  look?: string;
}

export interface EncodeOptions {
  /** Per tile, 64 by default. */
  tokens?: number;
  bare?: boolean;
  /** Pixels from tile to tile, or "fit" for one tile; 256 by default. */
  pitch?: number | "fit";
  /** At most so many bytes; `tokens` is then the most per tile. */
  targetSize?: number;
}

export function loadModel(bytes: Bytes): Model;
export function readHeader(bytes: Bytes, options?: { bare?: boolean }): Header;
export function readTokens(bytes: Bytes, model: Model, options?: ReadOptions): Int16Array[];
export function decode(bytes: Bytes, model: Model, options?: DecodeOptions): Picture & { data: Uint8ClampedArray<ArrayBuffer> };
export function toBase64(bytes: Bytes): string;
export function fromBase64(text: string): Uint8Array<ArrayBuffer>;
export function toDataURL(bytes: Bytes, options?: { bare?: boolean }): string;
export function fromDataURL(url: string): { bytes: Uint8Array<ArrayBuffer>; bare: boolean };
