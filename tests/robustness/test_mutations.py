"""Damaged files: whatever the damage, only a TokError comes out, in bounded time and memory.

Hypothesis damages the conformance vectors here, so that what it finds is reduced to the smallest case;
`bench/studies/fuzz` does more of the same at random, `tests/fuzz/` for hours.
"""

from __future__ import annotations

import importlib.util
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import click
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import tokcodec
from bench.studies.fuzz import __main__ as fuzz
from bench.studies.fuzz import mutants, outcomes
from tokcodec.container.header import HEADER_SIZE, PITCHES
from tokcodec.models.registry import find_model
from tokcodec.pictures.limits import MAX_SIDE

ROOT = Path(__file__).parents[2]
VECTORS = mutants.vectors()
SECONDS = 1.0  # of processor time for one file: fifty times what the slowest takes
MEMORY = 3 * 4 * 256 * outcomes.MAX_PIXELS // 16**2  # bytes: the tokens of a file at the limit in int32, three times

# ---- strategies: the same damage as in bench/studies/fuzz, but drawn so that it can be reduced

vectors = st.sampled_from(VECTORS)
places = st.integers(0, max(map(len, VECTORS)))


def flip(data: bytes, place: int, bit: int) -> bytes:
    if not data:
        return data
    place %= len(data)
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def header_fields(tokens: int, pitch: int, width: int, height: int) -> Callable[[bytes], bytes]:
    shape = pitch << 28 | width << 14 | height
    return lambda data: data[:3] + bytes([tokens]) + shape.to_bytes(4, "big") + data[8:]


sides = st.sampled_from([0, MAX_SIDE - 1, MAX_SIDE]) | st.integers(0, MAX_SIDE)
edits = st.one_of(
    st.tuples(places, st.integers(0, 7)).map(lambda t: lambda data: flip(data, *t)),
    places.map(lambda place: lambda data: data[:place]),
    st.tuples(places, st.binary(max_size=40)).map(lambda t: lambda data: data[: t[0]] + t[1] + data[t[0] :]),
    st.tuples(places, st.integers(1, 40)).map(lambda t: lambda data: data[: t[0]] + data[t[0] + t[1] :]),
    st.tuples(places, vectors, places).map(lambda t: lambda data: data[: t[0]] + t[1][t[2] :]),
    st.builds(header_fields, st.integers(0, 255), st.integers(0, 15), sides, sides),
)


def damage(data: bytes, changes: list[Callable[[bytes], bytes]], repaired: bool) -> bytes:
    for change in changes:
        data = change(data)
    return mutants.repair(data, find_model().hash) if repaired else data


mutated = st.builds(damage, vectors, st.lists(edits, min_size=1, max_size=4), st.booleans())
many = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
few = settings(many, max_examples=15)


@contextmanager
def bounded(seconds: float = SECONDS, memory: int = MEMORY) -> Iterator[None]:
    """Fail when the block takes more processor time or allocates more bytes at a time."""
    tracemalloc.start()
    try:
        started = time.process_time()
        yield
        taken, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken <= seconds and peak <= memory, f"{taken:.3f} s, {peak} bytes"


@pytest.fixture(autouse=True, scope="module")
def warm() -> None:
    """Models, tables and modules are loaded: no file's fault."""
    for data in VECTORS:
        outcomes.examine(data)


# ---- tests


@many
@given(mutated)
@example(b"")
def test_description_and_tokens(data: bytes) -> None:
    with bounded():
        outcomes.examine(data)


@few
@given(mutated, st.integers(1, 256))
def test_truncating(data: bytes, tokens: int) -> None:
    assume(len(data) < HEADER_SIZE or outcomes.examine(data) != "beyond the limit")
    with bounded():
        try:
            cut = tokcodec.truncate(data, tokens=tokens)
        except ValueError as error:  # a TokError, or more tokens than there are
            assert "\n" not in str(error)
        else:
            assert tokcodec.info(cut).complete


@few
@given(mutated, st.sampled_from([None, "fidelity"]))
def test_pixels(data: bytes, look: str | None) -> None:
    """The limit that the user sets holds, and what is within it is decoded to the size that is declared."""
    limit = 1 << 16
    try:
        picture = tokcodec.decode(data, look=look, max_pixels=limit, warn=lambda text: None)
    except tokcodec.TokError as error:
        assert str(error) and "\n" not in str(error)
    else:
        found = tokcodec.info(data)
        assert picture.size == (found.width, found.height) and found.width * found.height <= limit


@few
@given(st.binary(max_size=400) | mutated, st.none() | st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_bare_files(data: bytes, size: tuple[int, int] | None) -> None:
    """Nearly any bytes are one: they give a picture of the size that is asked for."""
    try:
        picture = tokcodec.decode(data, container="bare", size=size, look="fidelity", warn=lambda text: None)
    except tokcodec.TokError as error:
        assert len(data) < 2 or data[1] & 0x80, error
    else:
        assert size in (None, picture.size)


@many
@given(mutated)
def test_the_independent_reader_finds_the_same_header(data: bytes) -> None:
    """Where the codec reads a damaged file; the reader beside the specification checks less."""
    data = mutants.repair(data, find_model().hash)
    try:
        found = tokcodec.info(data)
    except tokcodec.TokError:
        return
    assert reader.read_header(data, find_model().hash) == (found.width, found.height, found.pitch, found.tokens)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reader = load(ROOT / "formats" / "reader.py")


def test_the_fuzzers_target_takes_its_seeds() -> None:
    """Without atheris: the function that it calls."""
    target = load(ROOT / "tests" / "fuzz" / "target.py")
    for data in (b"", *VECTORS):
        target.check_one(data)


@pytest.mark.slow
def test_the_study_finds_nothing_and_repeats_itself(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    assert fuzz.run(1200, 3, keep=tmp_path / "kept", journal=journal)
    first = [line for line in capsys.readouterr().out.splitlines() if line.endswith("% |")]
    kept = sorted((tmp_path / "kept").iterdir())
    assert all(int(path.stem.split("-")[2]) < 1200 for path in kept) and kept
    lines = journal.read_text().splitlines()
    journal.write_text(f"{lines[1]}\n{lines[2][:50]}")  # stopped in the middle
    assert fuzz.run(1200, 3, journal=journal)
    assert first == [line for line in capsys.readouterr().out.splitlines() if line.endswith("% |")]
    assert len(journal.read_text().splitlines()) == 3  # one is half a line
    assert {"complete", "cut", "HeaderCheckError", "drawn"} <= {line.split()[1] for line in first}
    with pytest.raises(click.ClickException, match="another run"):
        fuzz.run(1200, 4, journal=journal)


def test_built_files_pass_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only files with a right check reach: levels, every digit's shape, the limits, ids of no model."""
    mutants.write_models(tmp_path)
    monkeypatch.setenv("TOKCODEC_MODELS", str(tmp_path))
    using = mutants.sources()
    found = []
    for number in range(2, 1200, mutants.KINDS):
        try:
            found.append(tokcodec.info(mutants.mutant(0, number, using)))
        except tokcodec.TokError:
            continue
    assert {one.model for one in found} >= {model.name for model in using.models}
    assert {one.pitch for one in found} == set(PITCHES)
    assert any(one.adaptive and one.complete for one in found)
    assert any(one.adaptive and one.declared is None for one in found)
    assert any(one.model is None for one in found)
    assert {1, 256} <= {one.tokens for one in found} and {1, MAX_SIDE} <= {one.width for one in found}


def test_the_study_names_what_it_finds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: bytes, **options: str) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(tokcodec, "read_tokens", fail)
    monkeypatch.setattr(fuzz, "warm", mutants.sources)
    monkeypatch.setattr(fuzz.warm, "cache_clear", lambda: None, raising=False)
    assert not fuzz.run(20, 0)
    printed = capsys.readouterr().out
    assert "BUG: IndexError" in printed and "IndexError: list index out of range" in printed
