/** WebAssembly in base64, made by simd.mjs. */
export const PIXELS: 8;
export const CODE: string;
