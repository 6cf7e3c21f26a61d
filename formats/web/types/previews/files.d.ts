export function toBlob(bytes: Bytes, model: Model, options?: DecodeOptions): Blob;
export function toDataURL(bytes: Bytes, model: Model, options?: DecodeOptions): string;
export function draw(job: PreviewJob): Promise<Blob | null>;
import type { Bytes } from "../codec/checks.js";
import type { Model } from "../codec/model.js";
import type { DecodeOptions } from "../codec/draw.js";
import type { PreviewJob } from "./job.js";
