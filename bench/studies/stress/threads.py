"""The conformance vectors with different numbers of threads, by NumPy, torch and CUDA: tokens and pixels."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

import tokcodec
import tokcodec.tokenizers
from tokcodec.tokfile import read

from .commands import ROOT, environment, print_table

VECTORS = ROOT / "formats" / "vectors"
THREADS = 1, 2, 8
VARIABLES = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"
AT_ONCE = 8
"""Calls that run at the same time in threads of Python."""
BACK_ENDS = "NumPy", "torch", "CUDA"


@dataclass
class Found:
    """What the vectors gave: files, those with other tokens than written down, the most levels of 255 by which a pixel
    is off and by how many a pixel may be at most, and a hash of all pixels."""

    files: int
    other_tokens: int
    levels: int
    tolerance: int
    pixels: str


def decode_vector(name: str, expected: dict[str, Any], device: str) -> tuple[bool, int, bytes]:
    """Whether a vector's tokens are those written down, by how many levels its pixels are off, and their hash."""
    data = (VECTORS / name).read_bytes()
    form: dict[str, Any] = {"container": expected["container"]}
    tokens = [[token for token in row if token >= 0] for row in read(data, **form).coded.tolist()]
    picture = np.asarray(
        tokcodec.decode(data, look=expected["look"], device=device, warn=lambda text: None, **form), np.int16
    )
    some = picture[:: expected["every"], :: expected["every"]]
    off = int(np.abs(some - np.array(expected["pixels"])).max())
    return tokens == expected["tokens"], off, hashlib.sha256(picture.tobytes()).digest()


def decode_vectors(back_end: str, at_once: int = 1, names: Collection[str] = ()) -> Found:
    """Decode all vectors, or those with these names, by one of BACK_ENDS, so many at once."""
    every: dict[str, dict[str, Any]] = json.loads((VECTORS / "vectors.json").read_text())["files"]
    files = {name: every[name] for name in names or every}
    plain, before = tokcodec.load_tokenizer(device="cpu"), tokcodec.tokenizers.MANY_DRAWN
    tokcodec.tokenizers.MANY_DRAWN = before if back_end == "NumPy" else 0  # torch, as if it paid off for every job
    try:
        device = "cuda" if back_end == "CUDA" else "cpu"
        assert (tokcodec.load_tokenizer(device=device) is plain) == (back_end == "NumPy")
        work = partial(decode_vector, device=device)
        with ThreadPoolExecutor(at_once) as pool:
            times = min(at_once, 2)  # so that the same file is read twice at once too
            found = list(pool.map(work, [*files] * times, [*files.values()] * times))
    finally:
        tokcodec.tokenizers.MANY_DRAWN = before
    return Found(
        len(found),
        sum(not same for same, _, _ in found),
        max(off for _, off, _ in found),
        min(expected["tolerance"] for expected in files.values()),
        hashlib.sha256(b"".join(sorted({digest for _, _, digest in found}))).hexdigest(),
    )


def in_process(back_end: str, threads: int, at_once: int) -> Found:
    """`decode_vectors` in a process whose libraries were told how many threads to use."""
    told = environment() | dict.fromkeys(VARIABLES, str(threads))
    command = [sys.executable, "-m", __name__, back_end, str(at_once)]
    done = subprocess.run(command, env=told, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return Found(**json.loads(done.stdout))


def study() -> bool:
    """Print the table; whether all tokens are equal and all pixels within the tolerance."""
    import torch

    back_ends = BACK_ENDS if torch.cuda.is_available() else BACK_ENDS[:2]
    rows, good, first = [], True, None
    for back_end in back_ends:
        for threads, at_once in (*((threads, 1) for threads in THREADS), (1, AT_ONCE)):
            found = in_process(back_end, threads, at_once)
            first = first or found.pixels
            good = good and not found.other_tokens and found.levels <= found.tolerance
            same = "equal" if found.pixels == first else "others"
            tokens = "equal" if not found.other_tokens else f"{found.other_tokens} OTHERS"
            off = f"{found.levels} (at most {found.tolerance})"
            rows.append([back_end, threads, at_once, found.files, tokens, off, same])
    head = ["by", "threads", "calls at once", "files", "tokens", "pixels off by levels", "to NumPy's of one thread"]
    print_table(head, rows)
    if len(back_ends) < len(BACK_ENDS):
        print(f"\nno CUDA device here; {os.cpu_count()} cores")
    else:
        print(f"\n{torch.cuda.get_device_name()}; {os.cpu_count()} cores")
    return good


if __name__ == "__main__":
    print(json.dumps(asdict(decode_vectors(sys.argv[1], int(sys.argv[2])))))
