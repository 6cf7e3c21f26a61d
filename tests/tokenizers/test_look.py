"""The looks: one network for NumPy and torch with the count and scale as inputs, and the weights of each model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.tokenizers.test_cascade import CONFIG, CPU, DEVICES, some_tokens, tensors, write
from tokcodec.errors import ModelFileError
from tokcodec.pictures.tiling import Grid
from tokcodec.tokenizers.cascade import CascadeTokenizer, load, small_picture
from tokcodec.tokenizers.convolutions import NumpyLayers
from tokcodec.tokenizers.look import (
    LOOKS,
    TENTS,
    condition,
    correction,
    folded,
    prefix,
    quantised,
    restored,
    strip_correction,
    weights_of,
)
from tokcodec.tokenizers.networks import LookNet, LookSize
from tokcodec.tokenizers.tiles import Drawn, draw
from tokcodec.tokenizers.transform import TileTransform

Weights = dict[str, NDArray[Any]]
SMALL = {"widths": (8, 9, 10), "tops": (6, 4), "blocks": (1, 2, 1, 1, 2)}


def random_look(seed: int = 0, scales: int = 2, **shape: tuple[int, ...]) -> Weights:
    """Weights of a small network as float32, none of them zero. Its output is about 0.1."""
    generator = torch.Generator().manual_seed(seed)
    net = LookNet(scales, LookSize(**(SMALL | shape)))
    look = {
        name: (torch.randn(value.shape, generator=generator) / value[0].numel() ** 0.5).numpy()
        for name, value in net.state_dict().items()
    }
    return look | {name: look[name] / 10 for name in ("last.weight", "last.bias")}


def constant_look(value: float, scales: int = 2) -> Weights:
    """Adds a constant to every pixel."""
    look = {name: np.zeros_like(weight) for name, weight in random_look(scales=scales).items()}
    look["last.bias"][:] = value
    return look


# ---- what a network is told and sees


def test_condition_golden() -> None:
    """The inputs are a tent for each power of two, and the scale."""
    assert condition([1], 0, 2)[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    assert condition([256], 1, 2)[0].tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]
    told = condition([6, 200], 3, 4)
    assert told.shape == (2, TENTS + 4) and told.dtype == np.float32
    between = np.log2(6) - 2
    assert np.allclose(told[0], [0, 0, 1 - between, between, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    assert np.allclose(condition(range(1, 257), 0, 1)[:, :TENTS].sum(1), 1)


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_the_network_sees_all_coefficients(device: torch.device | None) -> None:
    """Black is -1 and white 1; nothing is lost."""
    make = np.asarray if device is None else torch.from_numpy
    transform = TileTransform(64, 32, make)
    for value in (0.0, 0.5, 1.0):
        small = np.asarray(small_picture(transform, transform.forward(make(np.full((1, 3, 256, 256), value)))))
        assert small.shape == (1, 3, 64, 64)
        assert np.allclose(small[:, 0], 2 * value - 1) and np.abs(small[:, 1:]).max() < 1e-9
    vectors = np.random.default_rng(0).standard_normal((2, transform.size))
    small = np.asarray(small_picture(transform, make(vectors)))
    small[:, 0] += 1
    assert np.allclose((small**2).sum((1, 2, 3)) * 12, (vectors**2).sum(1))


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_the_network_is_told_the_count_and_the_scale(device: torch.device | None) -> None:
    """The same coefficients give other pixels for another token count or scale."""
    tokenizer = CascadeTokenizer(tensors(), {"perceptual": random_look()}, device=device)
    vectors = tokenizer.vectors(tokenizer._own(some_tokens(1), np.int64), 0)
    drawn = [
        np.asarray(tokenizer.draw(tokenizer.network("perceptual"), vectors, condition([count], scale, 2)))
        for count, scale in ((5, 0), (6, 0), (5, 1))
    ]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(drawn[one] - drawn[other]).max() > 1e-3
    tokens = some_tokens(1)
    for scale in (0, 1):
        told, own = condition([5], scale, 2), tokenizer.vectors(tokenizer._own(tokens, np.int64), scale)
        expected = np.asarray(tokenizer.draw(tokenizer.network("perceptual"), own, told)).clip(0, 1)
        assert np.array_equal(tokenizer.decode(tokens, scale=scale), expected)


# ---- the network


@pytest.mark.parametrize("shape", [{}, {"blocks": (0, 0, 0, 0, 0)}, {"widths": (3, 20, 2), "tops": (2, 9)}], ids=str)
def test_numpy_and_torch_draw_the_same(shape: dict[str, tuple[int, ...]]) -> None:
    weights = random_look(**shape)
    net = LookNet.from_weights(weights).ready(CPU, None)
    rng = np.random.default_rng(0)
    small = rng.standard_normal((3, 3, 16, 16)).astype(np.float32)
    told = condition([1, 6, 256], 1, 2)
    expected = correction(net, torch.from_numpy(small), told).numpy()
    assert expected.shape == (3, 3, 64, 64) and expected.std() > 1e-3
    for row in range(3):
        part = slice(row, row + 1)
        found = correction(NumpyLayers(weights), small[part], told[part])
        assert found.dtype == np.float32 and np.abs(found - expected[part]).max() < 1e-5 * max(
            1, np.abs(expected).max()
        )


def test_golden_pixels() -> None:
    """The graph is fixed, since other connections would change the pixels of existing models."""
    weights = {
        name: (np.sin(np.arange(value.size) ** 2 + place) * (3 / value[0].size) ** 0.5).reshape(value.shape)
        for place, (name, value) in enumerate(sorted(random_look().items()))
    }
    small = np.cos(np.arange(3 * 8 * 8) ** 2).reshape(1, 3, 8, 8)
    drawn = correction(NumpyLayers(weights), small, condition([6], 1, 2))[0]
    assert np.allclose(drawn[:, [0, 5, 30], [0, 17, 31]], GOLDEN, atol=1e-3)


GOLDEN = [[-4.9662, -6.8621, 9.7075], [2.9182, -8.8204, 0.7092], [9.4452, 11.9614, 5.9049]]


def test_every_weight_takes_part() -> None:
    """And a network that is made from weights has these."""
    weights = random_look()
    net = LookNet.from_weights(weights)
    assert net.scales == 2 and {name: value.shape for name, value in net.state_dict().items()} == {
        name: value.shape for name, value in weights.items()
    }
    small = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    net(small, condition([3, 200], 0, 2)).square().sum().backward()
    untouched = {name for name, value in net.named_parameters() if value.grad is None or not value.grad.abs().max() > 0}
    assert not untouched


def test_an_untrained_network_adds_nothing() -> None:
    net = LookNet(2)
    small = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert not net(small, condition([3], 0, 2)).detach().any()


def test_bfloat16_is_close() -> None:
    look = {"perceptual": random_look()}
    rough = CascadeTokenizer(tensors(), look, device=CPU, dtype=torch.bfloat16).decode(some_tokens())
    exact = CascadeTokenizer(tensors(), look).decode(some_tokens())
    assert rough.dtype == np.float32 and 0 < np.abs(rough - exact).max() < 0.05


# ---- of a model


def test_without_a_network_there_is_the_sum_alone() -> None:
    plain = CascadeTokenizer(tensors())
    assert plain.looks == ("fidelity",) and not plain.mends and plain.weights("perceptual") is None
    with pytest.raises(ValueError, match="look must be fidelity for this model, not 'perceptual'"):
        plain.decode(some_tokens(), "perceptual")
    untrained = {name: value.numpy() for name, value in LookNet(2).state_dict().items()}
    drawn = CascadeTokenizer(tensors(), {"perceptual": untrained})
    assert drawn.looks == LOOKS and not drawn.mends
    for look in LOOKS:
        assert np.array_equal(plain.decode(some_tokens()), drawn.decode(some_tokens(), look))


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_each_look_has_its_network(device: torch.device | None) -> None:
    values = dict(zip(LOOKS, (1 / 16, -1 / 8), strict=True))
    tokenizer = CascadeTokenizer(
        tensors(), {look: constant_look(value) for look, value in values.items()}, device=device
    )
    assert tokenizer.looks == LOOKS and tokenizer.mends
    for scale in (0, 1):
        vectors = tokenizer.vectors(tokenizer._own(some_tokens(), np.int64), scale)
        bare = np.asarray(tokenizer.drawing.inverse(vectors))
        for look, value in values.items():
            found = tokenizer.decode(some_tokens(), look, scale)
            assert np.abs(found - (bare + value).clip(0, 1)).max() < 1e-5
        assert np.array_equal(
            tokenizer.decode(some_tokens(), None, scale), tokenizer.decode(some_tokens(), LOOKS[0], scale)
        )


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("scale", [0, 1])
def test_numpy_and_torch_decode_the_same(look: str, scale: int) -> None:
    looks = {name: random_look(seed) for seed, name in enumerate(LOOKS)}
    ours, theirs = (CascadeTokenizer(tensors(), looks, device=device) for device in DEVICES)
    tokens = some_tokens(3, 9)
    drawn, other = ours.decode(tokens, look, scale), theirs.decode(tokens, look, scale)
    assert np.abs(drawn - other).max() < 1e-5
    alone = np.concatenate([theirs.decode(tokens[row : row + 1], look, scale) for row in range(3)])
    assert np.abs(alone - other).max() < 1e-5


@pytest.mark.parametrize("axis", [2, 3])
def test_a_strip_shows_the_line_of_a_constant_tile(axis: int) -> None:
    """Where a tile is constant along the axis, a strip has its lines far from the borders."""
    weights, told = random_look(), condition([6], 0, 2)
    line = np.random.default_rng(0).normal(0, 0.5, (1, 3, 64)).astype(np.float32)
    small = np.stack([line] * 64, axis)
    whole = correction(NumpyLayers(weights), small, told)
    strip = strip_correction(NumpyLayers(folded(weights, axis)), small, told, axis)
    middle = whole[:, :, 126:130] if axis == 2 else whole[..., 126:130]
    assert strip.shape == ((1, 3, 1, 256) if axis == 2 else (1, 3, 256, 1))
    assert np.abs(strip - middle.mean(axis, keepdims=True)).max() < 0.01 * np.abs(middle).max()


@pytest.mark.parametrize("axis", [2, 3])
def test_numpy_and_torch_draw_the_same_strips(axis: int) -> None:
    ours, theirs = (CascadeTokenizer(tensors(), {LOOKS[0]: random_look()}, device=device) for device in DEVICES)
    tokens = some_tokens(3, 9)
    drawn, other = (tokenizer.decode_strip(tokens, LOOKS[0], 1, axis) for tokenizer in (ours, theirs))
    assert drawn.shape == (3, 3, 256, 256) and np.abs(drawn - other).max() < 1e-5


def test_a_strip_is_drawn_alike_at_once_and_in_stages() -> None:
    """The tiles of an earlier stage are reused."""
    tokenizer = CascadeTokenizer(tensors(), {LOOKS[0]: random_look()})
    grid, tokens = Grid.for_picture(500, 1, 256), some_tokens(2, 9).astype(np.int32)
    kept: Drawn = {}
    first = draw(tokenizer, grid, tokens, np.array([9, 4]), kept=kept)
    whole = draw(tokenizer, grid, tokens, np.array([9, 9]))
    assert np.array_equal(draw(tokenizer, grid, tokens, np.array([9, 9]), kept=kept), whole)
    assert not np.array_equal(first, whole)


def test_looks_of_a_file_are_found_by_their_names(tmp_path: Path) -> None:
    """They do not change the model's hash."""
    looks = {look: random_look(seed) for seed, look in enumerate(LOOKS)}
    bare, model = write(tmp_path / "bare"), write(tmp_path / "both", looks=looks)
    assert bare.hash == model.hash
    for device in DEVICES:
        loaded, expected = load(model, device, torch.float32), CascadeTokenizer(tensors(), looks)
        assert loaded.looks == LOOKS and loaded.mends
        for look in LOOKS:
            assert np.abs(loaded.decode(some_tokens(), look) - expected.decode(some_tokens(), look)).max() < 1e-5
    one = load(write(tmp_path / "one", looks={"perceptual": looks["perceptual"]}), None, None)
    assert one.looks == LOOKS and not one.mends


def test_names_in_the_file() -> None:
    assert prefix("perceptual") == "look.perceptual."
    assert weights_of("perceptual", {"decoder.mean": 1, "look.fidelity.a": 2}) == {}
    assert weights_of("fidelity", {"look.perceptual.a": 1, "look.fidelity.a.look.b": 2}) == {"a.look.b": 2}


def test_weights_of_8_bits_are_within_half_a_step(tmp_path: Path) -> None:
    rough: Weights = {}
    for name, weight in random_look().items():
        rough |= quantised(name, weight)
    for name, weight in random_look().items():
        error = np.abs(restored(rough)[name] - weight.astype(np.float32))
        largest = np.abs(weight.astype(np.float32)).reshape(len(weight), -1).max(1)
        allowed = largest / 127 * 0.5001 if name.endswith(".weight") else 0 * largest
        assert (error.reshape(len(weight), -1) <= allowed[:, None] + 1e-9).all(), name
    loaded = load(write(tmp_path / "rough", looks={"fidelity": rough}), None, None)
    expected = CascadeTokenizer(tensors(), {"fidelity": restored(rough)})
    assert np.array_equal(loaded.decode(some_tokens(), "fidelity"), expected.decode(some_tokens(), "fidelity"))


def test_steps_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    rough = random_look() | quantised("last.weight", random_look()["last.weight"])
    model = write(tmp_path / "tiny", looks={"fidelity": rough | {"last.step": rough["last.step"][1:]}})
    with pytest.raises(ModelFileError, match=r"last\.step has the shape"):
        load(model, None, None)


def changed(name: str, weight: NDArray[Any] | None) -> Weights:
    """A look of which a weight is another, or missing."""
    look = random_look()
    if weight is None:
        del look[name]
    else:
        look[name] = weight
    return look


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(
    "look",
    [
        changed("stem.weight", None),
        changed("stem.bias", None),
        changed("condition.0.weight", None),
        changed("last.weight", None),
        changed("up.1.bias", None),
        changed("blocks.1.1.second.weight", None),
        changed("blocks.1.0.gain.bias", None),
        changed("blocks.1.0.gain.weight", np.zeros((7, 32), np.float32)),
        changed("stem.weight", np.zeros((8, 4, 3, 3), np.float32)),
        changed("stem.weight", np.zeros((8, 3, 5, 5), np.float32)),
        changed("stem.bias", np.zeros(9, np.float32)),
        changed("last.bias", np.zeros((), np.float32)),
        changed("widen.weight", np.zeros((24, 8), np.float32)),
        changed("down.0.weight", np.zeros((9, 9, 2, 2), np.float32)),
        random_look(scales=3),
        random_look(scales=1),
        {"stem.weight": np.zeros((8, 3, 3, 3), np.float32)},
        {"last.other": np.zeros(3, np.float32)},
    ],
    ids=range(18),
)
def test_weights_that_do_not_fit_are_an_error_of_the_file(
    tmp_path: Path, look: Weights, device: torch.device | None
) -> None:
    """The error is one line on the first use of the look. The other look still works."""
    model = write(tmp_path / "tiny", looks={"perceptual": look})
    tokenizer = load(model, device, torch.float32)
    for _ in range(2):
        with pytest.raises(ModelFileError) as caught:
            tokenizer.decode(some_tokens())
        text = str(caught.value)
        assert text.startswith(f"{model.weights_path}: the look 'perceptual' does not fit (") and "\n" not in text
    bare = CascadeTokenizer(tensors(), device=device, dtype=torch.float32).decode(some_tokens())
    assert np.array_equal(tokenizer.decode(some_tokens(), "fidelity"), bare)


def test_counts_of_the_configuration() -> None:
    """The tests above assume two scales."""
    assert len(CONFIG.scales) + 1 == 2 == CascadeTokenizer(tensors()).scales
