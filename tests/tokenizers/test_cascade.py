"""The cascade: tiles to tokens and back at every scale, with NumPy and with torch, and its files."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tokcodec.container.tables import FrequencyTables
from tokcodec.errors import ModelFileError
from tokcodec.models.modelfile import Model, write_model
from tokcodec.tokenizers.arrays import Array
from tokcodec.tokenizers.cascade import CascadeConfig, CascadeTokenizer, codeword_bits, load, pack_tensors

CONFIG = CascadeConfig(n_tokens=20, codewords=8, half=3, luma=8, chroma=4, scales=(64,))
SIZE = 8 * 8 + 2 * 4 * 4
CPU = torch.device("cpu")
DEVICES = [None, CPU]
KINDS: list[Callable[[Any], Array]] = [np.asarray, torch.from_numpy]


def random_scales(config: CascadeConfig = CONFIG) -> list[dict[str, NDArray[Any]]]:
    """Random codewords over random coefficients for every scale; the means are shades of grey."""
    rng = np.random.default_rng(0)
    size = config.luma**2 + 2 * config.chroma**2
    scales = []
    for number in range(len(config.scales) + 1):
        mean = np.zeros(size)
        mean[0] = (128 - 16 * number) * 3**0.5
        shape = (config.n_tokens, 2, config.codewords, config.half)
        scales.append(
            {
                "mean": mean,
                "dims": np.stack([rng.permutation(size)[: 2 * config.half] for _ in range(config.n_tokens)]),
                "words": rng.standard_normal(shape) * np.linspace(20, 2, config.n_tokens)[:, None, None, None],
            }
        )
    return scales


def tensors(config: CascadeConfig = CONFIG) -> dict[str, NDArray[Any]]:
    """The tensors in the form of the shipped model."""
    return pack_tensors(config, random_scales(config))


def fitted_tables(config: CascadeConfig = CONFIG) -> tuple[FrequencyTables, ...]:
    """Skewed tables, different for each scale."""
    rng, radices = np.random.default_rng(1), (config.codewords,) * 2
    return tuple(
        FrequencyTables.fit(
            (rng.random((400, config.n_tokens)) ** (2 + scale) * config.codewords**2).astype(int), radices
        )
        for scale in range(len(config.scales) + 1)
    )


def tiles(number: int = 2, seed: int = 1) -> NDArray[np.float32]:
    """Tiles of slow and fast changes."""
    rng = np.random.default_rng(seed)
    slow = rng.random((number, 3, 8, 8)).repeat(32, 2).repeat(32, 3)
    return (0.8 * slow + 0.2 * rng.random((number, 3, 256, 256))).astype(np.float32)


def some_tokens(number: int = 2, count: int = 5, seed: int = 3) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, CONFIG.codewords**2, (number, count))


@pytest.fixture
def tokenizer() -> CascadeTokenizer:
    return CascadeTokenizer(tensors())


# ---- tokens and pixels


@pytest.mark.parametrize("scale", [0, 1])
def test_decoding_is_the_mean_and_a_sum_of_codewords(tokenizer: CascadeTokenizer, scale: int) -> None:
    packed, tokens = tensors(), some_tokens(1, 4)
    words = packed["words"][scale] * packed["step"][scale][..., None, None].astype(np.float64)
    expected = packed["mean"][scale].astype(np.float64)
    for position, token in enumerate(tokens[0]):
        for half, digit in enumerate(divmod(token, CONFIG.codewords)):
            expected[packed["dims"][scale, position].reshape(2, -1)[half]] += words[position, half, digit]
    assert np.allclose(tokenizer.vectors(tokens, scale)[0], expected, atol=1e-4)
    pixels = tokenizer.decode(tokens, scale=scale)
    assert pixels.shape == (1, 3, 256, 256) and pixels.dtype == np.float32
    assert np.allclose(pixels, tokenizer.transform.inverse(expected[None]).clip(0, 1), atol=1e-5)
    assert pixels.min() >= 0 and pixels.max() <= 1


def test_each_scale_has_codewords_and_tables_of_its_own() -> None:
    minding = CascadeTokenizer(tensors(), tables=fitted_tables())
    for scale in (0, 1):
        alone = {name: tensor if name == "planes" else tensor[scale : scale + 1] for name, tensor in tensors().items()}
        only = CascadeTokenizer(alone, tables=fitted_tables()[scale : scale + 1])
        for found, expected in zip(
            minding.encode_curves(tiles(), scale=scale), only.encode_curves(tiles()), strict=True
        ):
            assert np.array_equal(found, expected)
    assert not np.array_equal(minding.encode(tiles(), scale=0), minding.encode(tiles(), scale=1))
    other = CascadeTokenizer(tensors(), tables=fitted_tables()[::-1])
    assert not np.array_equal(minding.encode(tiles(9), scale=1), other.encode(tiles(9), scale=1))


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_out_is_of_the_kind_that_went_in(device: torch.device | None, kind: Callable[[Any], Array]) -> None:
    tokenizer = CascadeTokenizer(tensors(), device=device)
    assert tokenizer.device == "cpu"
    x = kind(tiles())
    tokens, errors = tokenizer.encode_curves(x, 7, 1)
    pixels = tokenizer.decode(tokens, scale=1)
    for found, dtype in ((tokens, "int64"), (pixels, "float32")):
        assert type(found) is type(x) and str(found.dtype).removeprefix("torch.") == dtype
    assert type(errors) is type(x) and "float" in str(errors.dtype)
    assert (tuple(tokens.shape), tuple(errors.shape)) == ((2, 7), (2, 8))


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_no_tiles_are_no_tokens(device: torch.device | None) -> None:
    own = CascadeTokenizer(tensors(), device=device)
    tokens = own.encode(tiles()[:0])
    assert tuple(tokens.shape) == (0, CONFIG.n_tokens)
    assert tuple(own.decode(tokens).shape) == (0, 3, 256, 256)


def test_numpy_and_torch_give_the_same() -> None:
    """Tokens are equal and pixels equal up to rounding, with any number of threads."""
    ours, theirs = (CascadeTokenizer(tensors(), tables=fitted_tables(), device=device) for device in DEVICES)
    for scale in (0, 1):
        tokens, errors = ours.encode_curves(tiles(8), scale=scale)
        found, left = theirs.encode_curves(tiles(8), scale=scale)
        assert np.array_equal(found, tokens) and np.allclose(left, errors, rtol=1e-6)
        drawn, other = ours.decode(tokens, scale=scale), theirs.decode(tokens, scale=scale)
        assert np.abs(drawn - other).max() < 1e-5


def test_tokens_of_gradients_and_other_precisions(tokenizer: CascadeTokenizer) -> None:
    """In training, tensors may require gradients, and tiles may be float64."""
    expected = tokenizer.encode(tiles())
    assert np.array_equal(tokenizer.encode(tiles().astype(np.float64)), expected)
    for device in DEVICES:
        x = torch.from_numpy(tiles()).requires_grad_()
        found = CascadeTokenizer(tensors(), device=device).encode(x)
        assert np.array_equal(found.numpy(), expected) and not found.requires_grad


@pytest.mark.parametrize("tables", [None, fitted_tables()], ids=["plain", "minding bits"])
@pytest.mark.parametrize("scale", [0, 1])
def test_curves_are_the_errors_of_pixels(tables: tuple[FrequencyTables, ...] | None, scale: int) -> None:
    tokenizer, x = CascadeTokenizer(tensors(), tables=tables), tiles()
    tokens, errors = tokenizer.encode_curves(x, scale=scale)
    assert errors.shape == (2, CONFIG.n_tokens + 1)
    for count in (1, 2, 17, 20):
        drawn = tokenizer.drawing.inverse(tokenizer.vectors(tokens[:, :count], scale))
        assert np.allclose(errors[:, count], np.square(drawn - x, dtype=np.float64).sum((1, 2, 3)), rtol=1e-5)
    mean = tokenizer.drawing.inverse(tokenizer.vectors(tokens[:, :0], scale))
    assert np.allclose(errors[:, 0], np.square(mean - x, dtype=np.float64).sum((1, 2, 3)), rtol=1e-5)


def test_no_error_is_below_zero(tokenizer: CascadeTokenizer) -> None:
    """The tile is a sum of codewords, for which rounding decides."""
    x = tokenizer.drawing.inverse(tokenizer.vectors(some_tokens(4), 0))
    assert tokenizer.encode_curves(x)[1].min() >= 0


def test_tables_make_cheaper_tokens() -> None:
    tables = fitted_tables()
    plain, minding = CascadeTokenizer(tensors()), CascadeTokenizer(tensors(), tables=tables)
    for scale in (0, 1):
        costs = [tables[scale].bits(each.encode(tiles(8), scale=scale)).sum() for each in (plain, minding)]
        assert costs[1] < costs[0]


def test_bits_of_codewords_are_those_of_the_tables() -> None:
    first = np.full((3, 4), 1 << 14, np.uint32)
    second = np.array([[1 << 15, 1 << 13, 1 << 13, 1 << 14]] * 3, np.uint32)
    bits = codeword_bits(FrequencyTables((4, 4), [first, second]))
    assert bits.shape == (3, 2, 4)
    assert (bits[:, 0] == 2).all() and (bits[:, 1] == [1, 3, 3, 2]).all()
    tables, tokens = fitted_tables()[0], some_tokens(6, 20)
    costs = codeword_bits(tables)
    places = np.arange(20)
    digits = np.divmod(tokens, CONFIG.codewords)
    assert np.allclose(costs[places, 0, digits[0]] + costs[places, 1, digits[1]], tables.bits(tokens))


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("number", [1, 2, 33])
def test_a_tile_does_not_depend_on_its_batch(device: torch.device | None, number: int) -> None:
    tokenizer = CascadeTokenizer(tensors(), tables=fitted_tables(), device=device)
    x = tiles(33)
    together = tokenizer.encode(x)
    for start in range(0, 33, number):
        found = tokenizer.encode(x[start : start + number])
        assert np.array_equal(found, together[start : start + number])
    assert np.array_equal(tokenizer.encode(x, 3), together[:, :3])
    alone = tokenizer.decode(together[4:5, :3])
    assert np.abs(tokenizer.decode(together[:, :3])[4] - alone[0]).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "tokens",
    [
        np.zeros((1, 0), np.int64),
        np.zeros((1, 21), np.int64),
        np.zeros((1, 2)),
        np.full((1, 2), 64),
        np.full((1, 2), -1),
        np.zeros(3, np.int64),
    ],
    ids=["none", "too many", "float", "beyond the codebook", "negative", "one dimension"],
)
def test_wrong_tokens_are_refused(
    tokenizer: CascadeTokenizer, tokens: NDArray[Any], kind: Callable[[Any], Array]
) -> None:
    with pytest.raises(ValueError, match="tokens must"):
        tokenizer.decode(kind(tokens))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "x",
    [np.zeros((1, 3, 256, 255)), np.zeros((3, 256, 256)), np.zeros((1, 1, 256, 256)), np.zeros((1, 3, 256, 256), int)],
    ids=["narrow", "no batch", "one channel", "integers"],
)
def test_wrong_tiles_are_refused(
    tokenizer: CascadeTokenizer, x: NDArray[Any], kind: Callable[[Any], Array]
) -> None:
    with pytest.raises(ValueError, match="tiles must"):
        tokenizer.encode(kind(x))


# ---- files


def write(
    folder: Path,
    changes: dict[str, NDArray[Any] | None] | None = None,
    *,
    looks: dict[str, dict[str, NDArray[Any]]] | None = None,
    **arguments: Any,
) -> Model:
    """The model of CONFIG, with some of its tensors changed (None: left out), and with looks."""
    packed = {f"decoder.{key}": value for key, value in tensors().items()}
    for key, value in (changes or {}).items():
        if value is None:
            del packed[f"decoder.{key}"]
        else:
            packed[f"decoder.{key}"] = value
    packed |= {f"look.{look}.{name}": value for look, net in (looks or {}).items() for name, value in net.items()}
    given: dict[str, Any] = {
        "name": "tiny",
        "family": "cascade",
        "tables": fitted_tables(),
        "tensors": packed,
        "hashed": ["decoder."],
        "scales": CONFIG.scales,
        "ordered": True,
        "default_tokens": 4,
        "licence": "none",
        "description": "test",
    }
    return write_model(folder, **(given | arguments))


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_a_written_model_is_its_tensors(tmp_path: Path, device: torch.device | None) -> None:
    model = write(tmp_path / "tiny")
    loaded, expected = load(model, device, torch.float32), CascadeTokenizer(tensors(), tables=fitted_tables())
    assert (loaded.n_tokens, loaded.radix, loaded.scales, loaded.looks) == (20, 8, 2, ("fidelity",))
    for scale in (0, 1):
        tokens = loaded.encode(tiles(), scale=scale)
        assert np.array_equal(tokens, expected.encode(tiles(), scale=scale))  # the tables are minded
        drawn = loaded.decode(tokens, scale=scale)
        assert np.abs(drawn - expected.decode(tokens, scale=scale)).max() < 1e-5


def test_the_manifest_says_what_errors_count(tmp_path: Path) -> None:
    model = write(tmp_path / "weighed", error_weights=(1, 2, 4))
    loaded, expected = load(model, None, None), CascadeTokenizer(tensors(), tables=fitted_tables(), weights=(1, 2, 4))
    plain = write(tmp_path / "plain")
    assert (model.error_weights, plain.error_weights, model.hash) == ((1, 2, 4), (), plain.hash)
    tokens, errors = loaded.encode_curves(tiles())
    assert np.array_equal(tokens, expected.encode(tiles()))
    assert not np.array_equal(tokens, load(plain, None, None).encode(tiles()))
    left = loaded.decode(tokens) - tiles()  # clamped: no more is left than in the sum
    assert (np.square(left).sum((1, 2, 3)) <= errors[:, -1] * 1.001 + 1e-3).all()
    assert np.array_equal(pickle.loads(pickle.dumps(loaded)).encode(tiles()), tokens)
    with pytest.raises(ModelFileError, match="a cascade has error_weights for 3 planes, not 2"):
        load(write(tmp_path / "two", error_weights=(1, 2)), None, None)


def test_packed_words_are_within_half_a_step() -> None:
    packed, scales = tensors(), random_scales()
    assert {name: (array.dtype.name, array.shape) for name, array in packed.items()} == {
        "planes": ("int16", (2,)),
        "mean": ("float16", (2, SIZE)),
        "dims": ("int16", (2, 20, 6)),
        "words": ("int8", (2, 20, 2, 8, 3)),
        "step": ("float32", (2, 20, 2)),
    }
    step = packed["step"][..., None, None]
    for scale, given in enumerate(scales):
        assert (np.abs(packed["words"][scale] * step[scale] - given["words"]) <= 0.5001 * step[scale]).all()
        assert np.abs(packed["words"][scale]).max((2, 3)).tolist() == [[127, 127]] * 20
        assert np.array_equal(packed["dims"][scale], given["dims"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": None}, "mean is missing"),
        ({"planes": None}, "not a cascade"),
        ({"planes": np.zeros(3, np.int16)}, "not a cascade"),
        ({"planes": np.array([9, 4], np.int16)}, "mean is missing or not of shape"),
        ({"words": np.zeros((20, 2, 8, 3), np.int8)}, "not a cascade"),
        ({"words": np.zeros((2, 20, 3, 8, 3), np.int8)}, "not of shape|2 digits"),
        ({"words": np.zeros((2, 20, 2, 4, 3), np.int8)}, "tables are not for 20 tokens of 4 x 4"),
        ({"step": np.ones((2, 20, 3), np.float32)}, "step is missing or not of shape"),
        ({"dims": np.full((2, 20, 6), SIZE, np.int16)}, r"dims must lie in 0\.\.95"),
        ({"dims": np.full((2, 20, 6), -1, np.int16)}, r"dims must lie in 0\.\.95"),
        ({"dims": np.zeros((1, 20, 6), np.int16)}, "dims is missing or not of shape"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, NDArray[Any] | None], message: str
) -> None:
    with pytest.raises(ModelFileError, match=message) as caught:
        load(write(tmp_path / "tiny", changes), None, None)
    assert str(caught.value).startswith(str(tmp_path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "scales"),
    [(replace(CONFIG, n_tokens=19), (64,)), (replace(CONFIG, scales=()), ()), (replace(CONFIG, codewords=9), (64,))],
)
def test_tables_of_another_model_are_refused(tmp_path: Path, config: CascadeConfig, scales: tuple[int, ...]) -> None:
    model = write(tmp_path / "tiny", tables=fitted_tables(config), scales=scales)
    with pytest.raises(ModelFileError, match="the entropy tables are not for 20 tokens of 8 x 8"):
        load(model, None, None)


@pytest.mark.parametrize("count", [0, -1, 21])
def test_a_number_of_tokens_that_there_is_not(count: int) -> None:
    tokenizer = CascadeTokenizer(tensors())
    for call in (tokenizer.encode, tokenizer.encode_curves):
        with pytest.raises(ValueError, match=rf"^count must be 1\.\.20, not {count}$"):
            call(np.zeros((1, 3, 256, 256), np.float32), count)
