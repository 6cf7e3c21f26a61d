"""Statistics of the language of the tokens, after "Analyzing the Language of Visual Tokens" (arXiv 2411.05001).

Every rank (the first token of a tile, the second, ...) has codewords of its own, so that its tokens are counted apart.
Entropies are plug-in estimates in bits, with the bias of small samples taken off by Miller and Madow's correction.

How much a context reduces the entropy of a token is the mutual information of the two, summed over their digits (see
`container.entropy`): whole tokens have more pairs than any data set has samples. The bias of this estimate is measured
with the context of another picture, which has no information, and is subtracted. Conditional entropy is entropy minus
information.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..container.header import parse_header
from ..errors import SourceError
from ..models.modelfile import Model
from ..pictures.tiling import Grid
from .columns import HEIGHT, TILES, TOK, TOKENS, WIDTH
from .pack import token_dtype
from .shards.tokens import TokenShard, find_token_shards, model_of

Ints = NDArray[np.int64]
MISSING = -1
ZIPF_RANGE = 10, 1000
"""Frequency ranks between which the exponent is fitted."""


@dataclass(frozen=True)
class Language:
    """Statistics of the tokens of some tiles.

    The lists have one entry for each rank of a token in its tile; information is in bits a token.

    model: name of the model.
    tiles: number of tiles.
    pairs: number of tiles with one to the left.
    vocabulary: number of codes.
    entropy: in bits.
    unused: share of the codes that never occur.
    expected_unused: the same share if all codes were equally frequent.
    before: information in the previous token, 0 for the first.
    neighbour: information in the token of the same rank in the tile to the left, 0 without pairs.
    digits: information that the first digit has about the others.
    frequencies: of codes from the most to the least frequent, mean over the ranks, [codes].
    zipf: the exponent s of frequency ~ rank ** -s.
    """

    model: str
    tiles: int
    pairs: int
    vocabulary: int
    entropy: list[float]
    unused: list[float]
    expected_unused: list[float]
    before: list[float]
    neighbour: list[float]
    digits: list[float]
    frequencies: list[float]
    zipf: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def language(source: str, limit: int = 200_000) -> Language:
    """The statistics of the first `limit` tiles of a data set. Raises SourceError, UnknownModelError."""
    shards = find_token_shards(source)
    model = model_of(shards)
    tokens, left, pictures = _load(shards, model, limit)
    if not len(tokens):
        raise SourceError(f"{source}: no tokens in it")
    return measure(tokens, left, pictures, model.radices, model.name)


def _load(shards: list[TokenShard], model: Model, limit: int) -> tuple[Ints, Ints, Ints]:
    """Tokens [tiles, ranks], the number of the tile to the left or MISSING [tiles], the number of the picture."""
    tokens: list[NDArray[Any]] = []
    left: list[Ints] = []
    pictures: list[Ints] = []
    tiles = 0
    for number, row in enumerate(_rows(shards)):
        flat = row[TOKENS].reshape(row[TILES], -1)
        kept = np.full((row[TILES], model.n_tokens), np.iinfo(token_dtype(model)).max, token_dtype(model))
        kept[:, : flat.shape[1]] = flat
        columns = Grid.for_picture(row[WIDTH], row[HEIGHT], parse_header(row[TOK]).pitch).columns
        index = np.arange(row[TILES])
        tokens.append(kept)
        left.append(np.where(index % columns > 0, tiles + index - 1, MISSING))
        pictures.append(np.full(row[TILES], number))
        tiles += row[TILES]
        if tiles >= limit:
            break
    if not tokens:
        return np.empty((0, 0), np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
    joined = np.concatenate(tokens)
    found = joined.astype(np.int64)
    found[joined == np.iinfo(joined.dtype).max] = MISSING
    return found[:, (found >= 0).any(0)], np.concatenate(left), np.concatenate(pictures)


def _rows(shards: list[TokenShard]) -> Iterator[dict[str, Any]]:
    for shard in shards:
        for batch in shard.batches([TOK, WIDTH, HEIGHT, TILES, TOKENS]):
            good = batch.drop_null()
            lists = good.column(TOKENS).to_pylist()
            for row, one in zip(good.drop_columns([TOKENS]).to_pylist(), lists, strict=True):
                yield row | {TOKENS: np.array(one)}


def measure(tokens: Ints, left: Ints, pictures: Ints, radices: tuple[int, ...], model: str = "") -> Language:
    """The statistics of tokens.

    Args:
        tokens: int64 [tiles, ranks], -1 for none.
        left: number of the tile to the left, [tiles], -1 for none.
        pictures: number of each tile's picture, ascending, [tiles].
        radices: radices of the digits, the most significant first.
        model: name of the model.
    """
    vocabulary, ranks = int(np.prod(radices)), tokens.shape[1]
    entropy, unused, expected, frequencies = [], [], [], np.zeros(vocabulary)
    before, neighbour, digits = [], [], []
    pairs = left != MISSING
    far = _elsewhere(pictures)
    for rank in range(ranks):
        held = tokens[:, rank]
        counts = np.bincount(held[held >= 0], minlength=vocabulary)
        total = max(int(counts.sum()), 1)
        entropy.append(entropy_bits(counts))
        unused.append(float((counts == 0).mean()))
        expected.append(float((1 - 1 / vocabulary) ** total))
        frequencies += np.sort(counts)[::-1] / total / ranks
        own = _digits(held, radices)
        before.append(_shared_information(own, _digits(tokens[:, rank - 1], radices), far) if rank else 0.0)
        beside = _digits(np.where(pairs, held[left], MISSING), radices)
        neighbour.append(_shared_information(own, beside, far))
        digits.append(sum(information(own[0], digit, far) for digit in own[1:]))
    return Language(
        model=model,
        tiles=len(tokens),
        pairs=int(pairs.sum()),
        vocabulary=vocabulary,
        entropy=entropy,
        unused=unused,
        expected_unused=expected,
        before=before,
        neighbour=neighbour,
        digits=digits,
        frequencies=frequencies.tolist(),
        zipf=zipf_exponent(frequencies),
    )


def entropy_bits(counts: NDArray[Any]) -> float:
    """Entropy in bits of counted values, with Miller and Madow's correction."""
    counts = counts[counts > 0]
    total = counts.sum()
    if not total:
        return 0.0
    shares = counts / total
    return float(-(shares * np.log2(shares)).sum() + (len(counts) - 1) / (2 * total * np.log(2)))


def information(values: Ints, context: Ints, elsewhere: Ints) -> float:
    """Mutual information of values and their context in bits, minus that of an unrelated context.

    Args:
        values: [tiles], -1 for none.
        context: [tiles], -1 for none.
        elsewhere: for each tile the number of a tile with an unrelated context.
    """
    return _plain(values, context) - _plain(values, context[elsewhere])


def _plain(values: Ints, context: Ints) -> float:
    there = (values >= 0) & (context >= 0)
    if not there.any():
        return 0.0
    values, context = values[there], context[there]
    size = int(values.max()) + 1
    joint = np.unique(context * size + values, return_counts=True)[1]
    return _entropy(np.bincount(values)) + _entropy(np.bincount(context)) - _entropy(joint)


def _entropy(counts: NDArray[Any]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _shared_information(values: list[Ints], context: list[Ints], elsewhere: Ints) -> float:
    """Information between the digits of two tokens, summed over all pairs."""
    return sum(information(value, other, elsewhere) for value in values for other in context)


def _elsewhere(pictures: Ints) -> Ints:
    """For each tile one of another picture, half of all tiles further; the same picture if it is the only one."""
    return np.roll(np.arange(len(pictures)), len(pictures) // 2)


def _digits(tokens: Ints, radices: tuple[int, ...]) -> list[Ints]:
    """The digits of tokens, -1 for none."""
    found, rest = [], np.maximum(tokens, 0)
    for radix in reversed(radices):
        rest, digit = np.divmod(rest, radix)
        found.append(np.where(tokens >= 0, digit, MISSING))
    return found[::-1]


def zipf_exponent(frequencies: NDArray[np.float64]) -> float:
    """The exponent s of frequency ~ rank ** -s, by least squares of the logarithms between the ranks ZIPF_RANGE."""
    low, high = ZIPF_RANGE
    ranks = np.arange(1, len(frequencies) + 1)
    fitted = (ranks >= min(low, len(ranks) // 4)) & (ranks <= high) & (frequencies > 0)
    if fitted.sum() < 2:
        return 0.0
    return float(-np.polyfit(np.log(ranks[fitted]), np.log(frequencies[fitted]), 1)[0])


def table(found: Language) -> str:
    """A table in Markdown: the ranks 1, 2, 4, ... and the mean of all."""
    ranks = len(found.entropy)
    shown = [rank for rank in (2**i for i in range(ranks.bit_length())) if rank < ranks] + [ranks]
    lines = [
        f"Model {found.model}: {found.tiles} tiles, {found.pairs} of them with one to the left, "
        f"{found.vocabulary} codes; Zipf exponent {found.zipf:.2f}.",
        "",
        "| rank | entropy | given the token before | given the left tile's | first digit tells | unused | by chance |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, rows in [*((str(rank), slice(rank - 1, rank)) for rank in shown), ("mean", slice(None))]:
        entropy, before, neighbour, digits, unused, expected = (
            float(np.mean(values[rows]))
            for values in (
                found.entropy,
                found.before,
                found.neighbour,
                found.digits,
                found.unused,
                found.expected_unused,
            )
        )
        given = f"{entropy - before:.2f} | {f'{entropy - neighbour:.2f}' if found.pairs else '-'}"
        lines.append(f"| {name} | {entropy:.2f} | {given} | {digits:.3f} | {unused:.1%} | {expected:.1%} |")
    return "\n".join(lines)
