"""Reads every file in a shard of tokens and compares it with its row. Needs the model's tables, not its weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...errors import TokError
from ...models.modelfile import Model
from ...tokfile import read
from ..columns import ERROR, HEIGHT, KEY, TILES, TOK, TOKENS, WIDTH, error_line
from ..pack import token_dtype
from .outcome import Outcome, sendable
from .tokens import TokenShard


@dataclass(frozen=True)
class VerifyTask:
    shard: TokenShard
    model: Model

    @property
    def name(self) -> str:
        return self.shard.name


@dataclass
class Verified:
    """The result of verifying a shard.

    outcome: its errors are the damaged samples; rows that have an error instead of a file are not damaged.
    keys: uint64 [samples], a hash of each key, to find duplicates.
    """

    outcome: Outcome
    keys: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))


def verify_shard(task: VerifyTask) -> Verified:
    """Count the damaged samples of a shard. Errors are in the outcome, none is raised."""
    verified = Verified(Outcome(task.shard.name, task.shard.output))
    keys = []
    try:
        for batch in task.shard.batches([KEY, TOK, WIDTH, HEIGHT, TILES, TOKENS, ERROR]):
            rows = batch.to_pylist()
            verified.outcome.count([_fault(row, task.model) for row in rows])
            verified.outcome.bytes += pc.sum(pc.binary_length(batch.column(TOK))).as_py() or 0
            keys.append(_hashes([row[KEY] for row in rows]))
    except Exception as error:  # any exception fails this shard alone, in any process
        verified.outcome.failure = sendable(error, task.name)
    verified.keys = np.concatenate([np.empty(0, np.uint64), *keys])
    return verified


def _fault(row: dict[str, Any], model: Model) -> str | None:
    """The fault of a row, as a line; None for a good row, or one with an error instead of a file."""
    if row[ERROR] is not None and row[TOK] is None:
        return None
    try:
        contents = read(row[TOK] or b"", model)
        header = contents.header
        if contents.held != contents.declared:
            raise TokError(contents.shortfall())
        if (header.width, header.height, contents.tiles) != (row[WIDTH], row[HEIGHT], row[TILES]):
            raise TokError("width, height or tiles are not those of the file")
        flat = contents.coded.astype(token_dtype(model)).reshape(-1)
        if not np.array_equal(flat, row[TOKENS] or []):
            raise TokError("the tokens are not those of the file")
    except Exception as error:
        return error_line(row[KEY], error)
    return None


def _hashes(keys: list[str]) -> NDArray[np.uint64]:
    digests = b"".join(blake2b(key.encode(), digest_size=8).digest() for key in keys)
    return np.frombuffer(digests, np.uint64)
