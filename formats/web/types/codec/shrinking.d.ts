/**
 * @param {number} start of the part, in samples
 * @param {number} end
 * @param {number} side samples of the picture
 * @param {number} count samples of the result
 * @returns {Weights[]} Lanczos-3 kernels of its samples
 */
export function weightsOf(start: number, end: number, side: number, count: number): Weights[];
/**
 * @param {Weights[]} weights
 * @returns {[first: number, end: number]} the samples that they need
 */
export function rangeOf(weights: Weights[]): [first: number, end: number];
/**
 * @param {Weights} weights
 * @param {ArrayLike<number>} samples 0..255
 * @param {number} start of sample 0 among them
 * @param {number} step from one to the next
 * @returns {number} 0..255
 */
export function weighted({ from, shares }: Weights, samples: ArrayLike<number>, start: number, step: number): number;
/**
 * of samples `from`, `from` + 1, ..., as whole numbers
 */
export type Weights = {
    from: number;
    shares: Float64Array;
};
