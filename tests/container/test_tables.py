"""Frequency tables: fitting, golden bytes, files good and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.container.test_entropy import likely_tokens, radix_lists, random_tables
from tokcodec.container.tables import TOTAL, FrequencyTables, join_digits, load_tables, pack_tables, split_digits
from tokcodec.errors import ModelFileError


def test_digits_are_most_significant_first() -> None:
    assert split_digits(np.array([[1000]]), (8, 8, 8, 8)).tolist() == [[[1, 7, 5, 0]]]
    assert split_digits(np.array([117]), (2, 5, 12)).tolist() == [[1, 4, 9]]
    everything = np.arange(120)
    assert (join_digits(split_digits(everything, (2, 5, 12)), (2, 5, 12)) == everything).all()


@given(st.integers(0, 2**32 - 1), radix_lists, st.integers(1, 6), st.integers(1, 50))
def test_fit_gives_valid_tables(seed: int, radices: tuple[int, ...], n: int, tiles: int) -> None:
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, int(np.prod(radices)), (tiles, n)) // rng.integers(1, 9)
    tables = FrequencyTables.fit(tokens, radices, n + 2)
    assert tables.n_tokens == n + 2 and tables.radices == radices
    for count, uniform in zip(tables.counts, FrequencyTables.uniform(2, radices).counts, strict=True):
        assert count.min() >= 1 and (count.sum(axis=1) == TOTAL).all()
        assert (count[n:] == uniform).all()
    again = FrequencyTables.fit(tokens[::-1].astype(np.int32), radices, n + 2)
    assert again.to_bytes() == tables.to_bytes()


def test_fit_golden() -> None:
    tables = FrequencyTables.fit(np.array([[5, 0], [5, 1], [4, 2]]), (2, 3))
    # weights 2 * seen + 1: digit 0 of token 0 was 1 three times, digit 1 was 2, 2, 1
    assert tables.counts[0].tolist() == [[8193, 57343], [57343, 8193]]
    assert tables.counts[1].tolist() == [[7283, 21845, 36408], [21846, 21845, 21845]]
    assert tables.bits(np.array([[5, 0]]))[0, 1] == pytest.approx(-np.log2(57343 * 21846 / TOTAL**2))


def test_fit_approaches_the_source() -> None:
    rng = np.random.default_rng(2)
    source = random_tables(rng, 3, (8, 8), 0.5)
    tokens = likely_tokens(rng, source, 4000)
    fitted = FrequencyTables.fit(tokens, (8, 8))
    fresh = likely_tokens(rng, source, 4000)
    assert fitted.bits(fresh).mean() - source.bits(fresh).mean() < 0.02


def test_to_bytes_golden() -> None:
    tables = FrequencyTables((2,), [np.array([[1, 65535]])])
    assert tables.to_bytes().hex() == "01000000010000000200000001000000ffff0000"


def test_save_and_load(tmp_path: Path) -> None:
    """The tables of all scales, in their order."""
    rng = np.random.default_rng(0)
    for scales in (1, 3):
        tables = [random_tables(rng, 5, (8, 5, 3), 0.0) for _ in range(scales)]
        (tmp_path / "tables.safetensors").write_bytes(pack_tables(tables))
        loaded = load_tables(tmp_path / "tables.safetensors")
        assert [one.to_bytes() for one in loaded] == [one.to_bytes() for one in tables]
        assert all(one.radices == (8, 5, 3) for one in loaded)


def test_the_file_holds_an_array_for_each_digit(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    (tmp_path / "tables.safetensors").write_bytes(pack_tables([FrequencyTables.uniform(5, (8, 4))] * 2))
    stored = load_file(tmp_path / "tables.safetensors")
    assert {name: (array.shape, array.dtype.name) for name, array in stored.items()} == {
        "counts.0": ((2, 5, 8), "uint16"),
        "counts.1": ((2, 5, 4), "uint16"),
    }


def test_counts_cannot_be_changed_afterwards() -> None:
    counts = np.array([[1, 65535]], dtype=np.uint32)
    tables = FrequencyTables((2,), [counts])
    with pytest.raises(ValueError, match="read-only"):
        tables.counts[0][0, 0] = 7


def write_tensors(path: Path, **tensors: NDArray[np.generic]) -> Path:
    from safetensors.numpy import save_file

    save_file({name.replace("_", "."): tensor for name, tensor in tensors.items()}, path)
    return path


def test_damaged_table_files_are_model_file_errors(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    with pytest.raises(ModelFileError, match=r"t\.safetensors: not usable as frequency tables"):
        load_tables(path)
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(ModelFileError, match="not usable"):
        load_tables(path)
    write_tensors(path, other=np.zeros(3))
    with pytest.raises(ModelFileError, match=r"missing 'counts.0'"):
        load_tables(path)
    write_tensors(path, counts_0=np.array([[[1, 2]]], dtype=np.uint16))
    with pytest.raises(ModelFileError, match="sum to 65536"):
        load_tables(path)
    for shape in ((), (2,), (1, 2)):
        write_tensors(path, counts_0=np.full(shape, 1 << 15, np.uint16))
        with pytest.raises(ModelFileError, match="must have three dimensions"):
            load_tables(path)
    write_tensors(path, counts_0=np.full((0, 1, 2), 1 << 15, np.uint16))
    with pytest.raises(ModelFileError, match="no counts"):
        load_tables(path)
    write_tensors(path, counts_0=np.full((1, 1, 2), 1 << 15), counts_1=np.full((2, 1, 2), 1 << 15))
    with pytest.raises(ModelFileError, match="not usable"):
        load_tables(path)
    path.write_bytes(b"")
    with pytest.raises(ModelFileError, match="not usable"):
        load_tables(path)


@pytest.mark.parametrize(
    ("radices", "counts", "message"),
    [
        ((2,), [np.array([[0, 65536]])], "at least 1 and sum to 65536"),
        ((2,), [np.array([[-1, 65537]])], "at least 1 and sum to 65536"),
        ((2,), [np.array([[5, 5]])], "at least 1 and sum to 65536"),
        ((2,), [np.array([[0.5, 0.5]])], "must be integers, not float64"),
        ((3,), [np.array([[1, 65535]])], "have 2 columns, the radix is 3"),
        ((2, 2), [np.array([[1, 65535]])], "2 radices but 1 count arrays"),
        ((2,), [np.array([1, 65535])], "two-dimensional"),
        ((2,), [np.zeros((0, 2), dtype=np.int64)], "two-dimensional"),
        ((1,), [np.array([[65536]])], "radices must be"),
        ((), [], "radices must be"),
        ((65537,), [], "radices must be"),
        ((65536, 65536), [], "make more than"),
        ((32768, 32768, 32768), [], "make more than"),
    ],
)
def test_wrong_tables_are_value_errors(
    radices: tuple[int, ...], counts: list[NDArray[np.generic]], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        FrequencyTables(radices, counts)  # type: ignore[arg-type]
    assert type(caught.value) is ValueError
