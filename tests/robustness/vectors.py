"""Decodes the conformance vectors by NumPy, torch or CUDA, one after another or several at once.

`python -m tests.robustness.vectors BACK_END AT_ONCE NAME...` prints a `Found` as JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

import tokcodec
import tokcodec.tokenizers
from tests.vectors import FILES, contents, form
from tokcodec.tokfile import read

BACK_ENDS = "NumPy", "torch", "CUDA"


@dataclass(frozen=True)
class Found:
    """What the vectors gave.

    files: how many were decoded.
    other_tokens: how many have other tokens than written down.
    levels: the most levels of 255 by which a pixel is off.
    tolerance: by how many it may be.
    pixels: a hash of all pixels.
    """

    files: int
    other_tokens: int
    levels: int
    tolerance: int
    pixels: str


def same_tokens(name: str) -> bool:
    """Whether a vector's tokens are those that are written down."""
    rows = read(contents(name), **form(name)).coded.tolist()
    return [[token for token in row if token >= 0] for row in rows] == FILES[name]["tokens"]


def decode_vector(name: str, device: str = "cpu", dtype: str = "float32") -> tuple[NDArray[np.int16], bytes]:
    """(by how many levels the pixels that are written down are off, a hash of all pixels)."""
    expected = FILES[name]
    picture = tokcodec.decode(
        contents(name),
        **form(name),
        look=expected["look"],
        device=device,
        dtype=dtype,
        warn=lambda text: None,
    )
    pixels = np.asarray(picture, np.int16)
    some = pixels[:: expected["every"], :: expected["every"]]
    return np.abs(some - np.array(expected["pixels"], np.int16)), hashlib.sha256(pixels.tobytes()).digest()


def decode_vectors(back_end: str, at_once: int = 1, names: Sequence[str] = ()) -> Found:
    """Decode vectors.

    back_end: one of BACK_ENDS.
    at_once: how many threads of Python call the decoder, default 1; with several every file is decoded twice.
    names: which vectors, default all.
    """
    names = names or list(FILES)
    device = "cuda" if back_end == "CUDA" else "cpu"
    plain, before = tokcodec.load_tokenizer(device="cpu"), tokcodec.tokenizers.MANY_DRAWN
    tokcodec.tokenizers.MANY_DRAWN = before if back_end == "NumPy" else 0  # torch, as if it paid off for every job
    try:
        assert (tokcodec.load_tokenizer(device=device) is plain) == (back_end == "NumPy")
        with ThreadPoolExecutor(at_once) as pool:
            every = [*names] * min(at_once, 2)
            tokens = list(pool.map(same_tokens, every))
            drawn = list(pool.map(partial(decode_vector, device=device), every))
    finally:
        tokcodec.tokenizers.MANY_DRAWN = before
    return Found(
        len(drawn),
        tokens.count(False),
        max(int(off.max()) for off, _ in drawn),
        min(FILES[name]["tolerance"] for name in names),
        hashlib.sha256(b"".join(sorted({digest for _, digest in drawn}))).hexdigest(),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(decode_vectors(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))))
