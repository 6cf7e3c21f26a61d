"""Description and cutting of adaptive files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tokcodec
from tests.conftest import TINY_VOCABULARY
from tokcodec.container.counts import LEVELS, tile_counts
from tokcodec.container.header import HEADER_SIZE, Header, pack_header, parse_header
from tokcodec.contents import pack
from tokcodec.errors import LimitError
from tokcodec.models.modelfile import Model
from tokcodec.tokfile import read

MakeAdaptive = Callable[..., tuple[bytes, np.ndarray, np.ndarray]]


@pytest.fixture
def make_adaptive(tiny: Model) -> MakeAdaptive:
    """File, random tokens [6, 16] and levels [6] of a picture of 3 x 2 tiles."""

    def make(seed: int = 0, n: int = 16, levels: list[int] | None = None) -> tuple[bytes, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        coded = rng.integers(0, TINY_VOCABULARY, (6, 16))
        chosen = np.array([0, *rng.integers(0, LEVELS, 4), 7] if levels is None else levels)
        return pack(Header(tiny.id, n, 16, 48, 32), tiny, coded, chosen), coded, chosen

    return make


def test_info(make_adaptive: MakeAdaptive) -> None:
    data, _, levels = make_adaptive()
    info = tokcodec.info(data)
    total = tile_counts(16, levels).sum()
    assert (info.tokens, info.adaptive, info.declared, info.held, info.complete) == (16, True, total, total, True)
    cut = tokcodec.info(data[:-4])
    assert cut.held is not None and 0 < cut.held < total == cut.declared and cut.complete is False
    bare = tokcodec.info(data[: HEADER_SIZE + 1])  # 6 levels are 18 bits
    assert (bare.declared, bare.held, bare.complete) == (None, 0, False)


def test_info_without_the_model(make_adaptive: MakeAdaptive, monkeypatch: pytest.MonkeyPatch) -> None:
    data, _, levels = make_adaptive()
    monkeypatch.setattr("tokcodec.models.registry.search_path", list)
    info = tokcodec.info(data)
    assert (info.declared, info.held, info.complete) == (tile_counts(16, levels).sum(), None, None)
    assert tokcodec.info(data[: HEADER_SIZE + 1]).declared is None


def test_read_tokens_marks_what_is_not_there(make_adaptive: MakeAdaptive) -> None:
    data, coded, levels = make_adaptive(levels=[1, 2, 3, 4, 5, 6])
    tokens = tokcodec.read_tokens(data)
    assert tokens.shape == (6, 16) and tokens.dtype == np.int32  # 16 is what level 0 would have
    assert np.array_equal(tokens, np.where(np.arange(16) < tile_counts(16, levels)[:, None], coded, -1))
    assert (tokcodec.read_tokens(data[: HEADER_SIZE + 1]) == -1).all()


def test_read_tokens_has_a_limit_on_tiles(make_adaptive: MakeAdaptive) -> None:
    data = make_adaptive()[0]
    assert len(tokcodec.read_tokens(data, max_tiles=6)) == 6
    with pytest.raises(LimitError, match=r"^6 tiles exceed the limit of 5 \(--max-tiles raises it\)$"):
        tokcodec.read_tokens(data, max_tiles=5)


def test_read_tokens_refuses_many_tiles_by_default(tiny: Model) -> None:
    empty = pack_header(Header(tiny.id, 1, 16, 16 * 667, 48), tiny.hash)
    with pytest.raises(LimitError, match="2001 tiles"):
        tokcodec.read_tokens(empty)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000), tokens=st.integers(2, 16), cut=st.integers(0, 30))
def test_truncate_keeps_the_levels(make_adaptive: MakeAdaptive, seed: int, tokens: int, cut: int) -> None:
    data, coded, levels = make_adaptive(seed)
    data = data[: max(HEADER_SIZE, len(data) - cut)]
    most = read(data).most()
    if tokens > most:
        with pytest.raises(ValueError, match=f"1..{most} for this file" if most else "nothing to cut"):
            tokcodec.truncate(data, tokens=tokens)
        return
    smaller = tokcodec.truncate(data, tokens=tokens)
    found = read(smaller)
    counts = tile_counts(tokens, levels)
    assert found.levels is not None and (found.levels == levels).all() and (found.counts() == counts).all()
    assert np.array_equal(found.coded, np.where(np.arange(tokens) < counts[:, None], coded[:, :tokens], -1))
    assert tokcodec.truncate(data, tokens=1) == tokcodec.truncate(smaller, tokens=1)
    assert not parse_header(tokcodec.truncate(data, tokens=1)).adaptive  # one token each


def test_truncate_to_a_size(make_adaptive: MakeAdaptive) -> None:
    data, _, _ = make_adaptive()
    least = len(tokcodec.truncate(data, tokens=1))
    for size in range(least, len(data) + 1):
        smaller = tokcodec.truncate(data, size=size)
        tokens = parse_header(smaller).tokens
        assert len(smaller) <= size
        assert tokens == 16 or len(tokcodec.truncate(data, tokens=tokens + 1)) > size
    assert smaller == data
    with pytest.raises(ValueError, match=f"at least {least} bytes"):
        tokcodec.truncate(data, size=least - 1)


@pytest.mark.parametrize("tokens", [1, 3, 9, 16])
def test_decoding_fewer_tokens_is_decoding_the_cut_file(make_adaptive: MakeAdaptive, tokens: int) -> None:
    data, _, _ = make_adaptive()
    fewer = np.asarray(tokcodec.decode(data, tokens=tokens))
    assert np.array_equal(fewer, np.asarray(tokcodec.decode(tokcodec.truncate(data, tokens=tokens))))


def test_every_prefix_decodes(make_adaptive: MakeAdaptive) -> None:
    data, _, _ = make_adaptive()
    notes: list[str] = []
    for length in range(HEADER_SIZE, len(data)):
        assert tokcodec.decode(data[:length], warn=notes.append).size == (48, 32)
    assert len(notes) == len(data) - HEADER_SIZE and "before its first token" in notes[0]
    total = tokcodec.info(data).declared
    assert f"of {total} tokens" in notes[-1] and f"of {total / 6:.4g} per tile" in notes[-1]  # type: ignore[operator]


def test_no_torch(make_adaptive: MakeAdaptive) -> None:
    data, _, _ = make_adaptive()
    code = (
        "import sys, tokcodec, tokcodec.progressive; data = bytes.fromhex(sys.argv[1]); tokcodec.info(data);"
        "tokcodec.read_tokens(data); tokcodec.truncate(data, tokens=5); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, data.hex()], check=False).returncode == 0
