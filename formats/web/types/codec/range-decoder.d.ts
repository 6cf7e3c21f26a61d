/** Reads a payload, continued without end by one byte. */
export class RangeDecoder {
    /**
     * @param {Uint8Array} payload
     * @param {number} padding the byte
     */
    constructor(payload: Uint8Array, padding: number);
    payload: Uint8Array<ArrayBufferLike>;
    padding: number;
    position: number;
    rangeHigh: number;
    rangeLow: number;
    pointHigh: number;
    pointLow: number;
    /** @returns {number} the next byte */
    byte(): number;
    /** point = point * 2^32 + the next word */
    shift(): void;
    /**
     * @param {Uint32Array} edges of the values, from `edgesOf`
     * @returns {number} the next value, or -1 if no value has this code
     */
    decode(edges: Uint32Array): number;
}
