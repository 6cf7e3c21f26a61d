"""Makes bad files: conformance vectors damaged at random, and valid headers with arbitrary payloads.

File `number` of a seed is always the same. The header's check stops most damaged vectors before the coder. Built files
have a valid check, and reach the limits of every field, levels of adaptive files, every model id, and models with
other radices than the default one (SHAPES).
"""

from __future__ import annotations

import binascii
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from tokcodec.container.bare import pack_bare
from tokcodec.container.counts import LEVELS
from tokcodec.container.entropy import encode_tokens
from tokcodec.container.header import HEADER_SIZE, MAGIC, MAX_TOKENS, PITCHES, VERSION, Header, pack_header
from tokcodec.container.tables import FrequencyTables
from tokcodec.models.modelfile import Model, write_model
from tokcodec.models.registry import find_model
from tokcodec.pictures.limits import FIT, MAX_SIDE
from tokcodec.pictures.tiling import Grid

VECTORS = Path(__file__).parents[3] / "formats" / "vectors"
SHAPES: tuple[tuple[tuple[int, ...], int, bool], ...] = (
    ((1 << 12,), 256, True),
    ((1 << 15, 2), 3, True),
    ((2, 3, 5, 7), 40, False),
    ((2,), 256, True),
)
"""Radices, tokens and order of the models beside the default one. Other radices reach other parts of the coder."""
SIDES = (1, 2, 15, 16, 17, 255, 256, 257, MAX_SIDE - 1, MAX_SIDE)
KINDS = 4  # see `mutant`
MOST_CODED = 300
"""Largest number of tiles for which tokens are encoded; encoding more takes long."""
LONG_PAYLOAD = 1 << 16

Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


@dataclass(frozen=True)
class Sources:
    """The vectors, the default model, and all models that are installed for the run."""

    files: tuple[bytes, ...]
    model: Model
    models: tuple[Model, ...]


@lru_cache(maxsize=1)
def vectors() -> tuple[bytes, ...]:
    """The files of formats/vectors, of both shipped models."""
    return tuple(path.read_bytes() for path in sorted(VECTORS.rglob("*.tok")))


def write_models(folder: Path) -> None:
    """Write the models of SHAPES. They have tables, but no family that could draw their tokens."""
    for number, (radices, n_tokens, ordered) in enumerate(SHAPES):
        seen = np.random.default_rng(number).integers(0, int(np.prod(radices)), (20, n_tokens))
        write_model(
            folder / f"shape-{number}",
            name=f"shape-{number}",
            family="tables alone",
            tables=[FrequencyTables.fit(seen, radices)],
            tensors={"decoder": np.array([number])},
            hashed=["decoder"],
            ordered=ordered,
            default_tokens=n_tokens,
            licence="CC0-1.0",
            description="For reading damaged files.",
        )


def sources() -> Sources:
    """The vectors and the models that are installed now."""
    names = [f"shape-{number}" for number in range(len(SHAPES))]
    return Sources(vectors(), find_model(), (find_model(), *map(find_model, names)))


def mutant(seed: int, number: int, using: Sources) -> bytes:
    """File `number` of a seed. In turn: a damaged vector, one with a repaired header, and two built files."""
    rng = random.Random(f"{seed}/{number}")
    if number % KINDS >= 2:
        return built(rng, using)
    data = damaged(rng, rng.choice(using.files), using.files)
    return repair(data, using.model.hash) if number % 2 else data


def repair(data: bytes, model_hash: bytes) -> bytes:
    """The file with valid magic, version, model id and check; files shorter than a header are unchanged."""
    if len(data) < HEADER_SIZE:
        return data
    head = bytes([MAGIC, VERSION << 4 | data[1] & 0x0F, model_hash[0]]) + data[3:8]
    return head + binascii.crc_hqx(head + model_hash, 0xFFFF).to_bytes(2, "big") + data[HEADER_SIZE:]


# ---- damage


def damaged(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Apply one to four mutations."""
    for mutation in rng.choices(MUTATIONS, k=rng.randint(1, 4)):
        data = mutation(rng, data, others)
    return data


def flip(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Flip one to eight bits."""
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 8) if data else 0):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def cut(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Remove the end."""
    return data[: rng.randint(0, len(data))]


def insert(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Insert up to 64 bytes, random or all equal."""
    size, place = rng.randint(1, 64), rng.randint(0, len(data))
    middle = rng.choice((rng.randbytes(size), bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFF))]) * size))
    return data[:place] + middle + data[place:]


def delete(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Remove up to 64 bytes."""
    place = rng.randint(0, len(data))
    return data[:place] + data[place + rng.randint(1, 64) :]


def splice(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Join the beginning of one file and the end of another."""
    other = rng.choice(others)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def stretch(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Replace header fields, mostly by extreme values: a short file that declares many tiles and tokens."""
    if len(data) < HEADER_SIZE:
        return data
    width, height = (rng.choice((0, MAX_SIDE - 1, MAX_SIDE, rng.randint(0, MAX_SIDE))) for _ in range(2))
    shape = rng.choice((0, 1, 15, rng.randrange(16))) << 28 | width << 14 | height
    tokens = rng.choice((0, 255, rng.randrange(256)))
    return data[:3] + bytes([tokens]) + shape.to_bytes(4, "big") + data[8:]


MUTATIONS: tuple[Mutation, ...] = (flip, cut, insert, delete, splice, stretch)


# ---- valid headers


def built(rng: random.Random, using: Sources) -> bytes:
    """A header with a valid check and any model id, then a random payload. One in eight is a bare file."""
    model = rng.choice((using.model, using.model, rng.choice(using.models)))
    if rng.randrange(8) == 0:
        header = Header(model.id, _tokens(rng, model), FIT, _side(rng), _side(rng), flat=_coin(rng))
        head = bytearray(pack_bare(header))
        head[1] = head[1] & 0xC0 | rng.choice((0, 63, rng.randrange(64)))
        return bytes(head) + _payload(rng, header, model)
    model_hash = model.hash
    if rng.randrange(8) == 0:  # a model that is not installed, or the id of an installed one with another hash
        model_hash = bytes([rng.randrange(256)]) + model_hash[1:]
    header = Header(
        model_hash[0],
        _tokens(rng, model),
        rng.choice(PITCHES),
        _side(rng),
        _side(rng),
        flat=_coin(rng),
        adaptive=_coin(rng),
    )
    return pack_header(header, model_hash) + _payload(rng, header, model)


def _coin(rng: random.Random) -> bool:
    return rng.random() < 0.5


def _tokens(rng: random.Random, model: Model) -> int:
    """A number of tokens at the limits of the model and the format, or any other."""
    return rng.choice((1, model.n_tokens, model.n_tokens, min(MAX_TOKENS, model.n_tokens + 1), rng.randint(1, 256)))


def _side(rng: random.Random) -> int:
    """A side in pixels, at the limits or of any order of magnitude."""
    return rng.choice((rng.choice(SIDES), rng.choice(SIDES), round(2 ** rng.uniform(0, 13.99))))


def _payload(rng: random.Random, header: Header, model: Model) -> bytes:
    """Random bytes, equal bytes, or an encoder's output: whole, longer, shorter, or damaged."""
    kind = rng.randrange(8)
    if kind == 0:
        size = rng.choice((rng.randint(0, 16), rng.randint(0, 256), rng.randint(0, LONG_PAYLOAD)))
        return bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFF))]) * size
    tiles = Grid.for_picture(header.width, header.height, header.pitch).tiles
    if kind <= 3 or tiles > MOST_CODED or header.tokens > model.n_tokens:
        size = rng.choice((rng.randint(0, 16), rng.randint(0, 64), rng.randint(0, 1000), rng.randint(0, 1000)))
        return rng.randbytes(LONG_PAYLOAD if rng.randrange(200) == 0 else size)
    draw = np.random.default_rng(rng.getrandbits(32))
    tables = model.tables_of(header, Grid.for_picture(header.width, header.height, header.pitch).scale(model.scales))
    tokens = draw.integers(0, tables.vocabulary, (tiles, header.tokens))
    levels = None
    if header.adaptive:
        one = rng.randrange(LEVELS)
        levels = draw.integers(0, LEVELS, tiles) if _coin(rng) else np.full(tiles, one)
    data = encode_tokens(tokens, tables, levels)
    return rng.choice(
        (
            data,
            data + rng.randbytes(rng.randint(1, 16)),
            data[:-1],
            data[: rng.randint(0, len(data))],
            data[: 3 * tiles // 8 + rng.randint(-2, 2)] if header.adaptive else data,  # about where the levels end
            flip(rng, data, ()),
        )
    )
