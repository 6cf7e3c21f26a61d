import type { Bytes, DecodeOptions, Model } from "./tok.js";

/** The picture of a file as a bitmap. */
export function toBlob(bytes: Bytes, model: Model, options?: DecodeOptions): Blob;
export function toDataURL(bytes: Bytes, model: Model, options?: DecodeOptions): string;

export interface PreviewJob {
  /** Of the model file. */
  address: string;
  /** A data URL. */
  url: string;
  /** Pixels of the longer side. */
  size: number;
  /** By the model's network instead of the sum of the codewords alone. */
  fine?: boolean;
}

/** The preview of a data URL; null with `fine` where the model has no network, or where that would take long. */
export function draw(job: PreviewJob): Promise<Blob | null>;
