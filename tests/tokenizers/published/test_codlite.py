"""CoD-Lite: its layouts, small ones that run, what is folded, and the published sizes against golden values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
F = torch.nn.functional

import tokcodec  # noqa: E402
from tests.tokenizers.published.filling import astronaut, filled_state, golden, random_state  # noqa: E402
from tokcodec.errors import ModelFileError, TokError  # noqa: E402
from tokcodec.tokenizers.importing import import_model  # noqa: E402
from tokcodec.tokenizers.published.checkpoint import Variant, expected_shapes  # noqa: E402
from tokcodec.tokenizers.published.codlite import CodLite  # noqa: E402
from tokcodec.tokenizers.published.codlite_modules import Layout, PatchBlock, normalised, positions  # noqa: E402

SMALL: dict[str, Any] = {"bits": 2, "channels": 32, "width": 32, "blocks": 1, "pixel_blocks": 1, "bottleneck": 8}
TINY = {16: Layout(16, tile=32, **SMALL), 32: Layout(32, tile=64, **SMALL)}


@pytest.fixture(params=[16, 32])
def tiny(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """State dict of a small model and the side of its tiles, known during the test."""
    layout = TINY[request.param]
    monkeypatch.setitem(CodLite.variants, "tiny", Variant("Tiny", layout, False, 4, "for tests"))
    return random_state(layout), layout.tile


@pytest.mark.parametrize(
    ("key", "entries", "values", "tile", "bytes_of_tile"),
    [
        ("cod-lite-32x-4bit", 539, 101_996_995, 512, 128),
        ("cod-lite-32x-8bit", 539, 102_027_715, 512, 256),
        ("cod-lite-16x-4bit", 529, 98_750_403, 256, 128),
        ("cod-lite-16x-8bit", 529, 98_781_123, 256, 256),
    ],
)
def test_published_layouts(key: str, entries: int, values: int, tile: int, bytes_of_tile: int) -> None:
    layout = CodLite.variants[key].layout
    shapes = expected_shapes(layout)
    assert CodLite.identify(shapes) == key
    assert len(shapes) == entries and sum(map(math.prod, shapes.values())) == values
    assert layout.tile == tile and layout.n_tokens == 256
    assert layout.n_tokens * math.log2(layout.radices[0]) == 8 * bytes_of_tile


def test_checkpoints_of_higher_rates_are_named() -> None:
    shapes = expected_shapes(Layout(8, 8, 128))
    with pytest.raises(ModelFileError, match="CoD-Lite checkpoint of 8x or 4x"):
        CodLite.identify(shapes)


def test_tokens_and_pictures(tiny: Any) -> None:
    state, tile = tiny
    model = CodLite(state)
    tiles = torch.rand(2, 3, tile, tile, generator=torch.Generator().manual_seed(0))
    tokens = model.encode(tiles)
    assert tokens.shape == (2, 4) and torch.equal(model.encode(tiles[1:]), tokens[1:])
    drawn = model.decode(tokens)
    assert drawn.shape == tiles.shape
    torch.testing.assert_close(model.decode(tokens[1:]), drawn[1:], atol=1e-4, rtol=0)
    assert torch.equal(CodLite(state).decode(tokens), drawn), "the state dict was changed"
    half = CodLite(state, dtype=torch.bfloat16).decode(tokens)
    assert half.dtype == torch.float32 and (half - drawn).abs().mean() < 0.05
    with pytest.raises(ValueError, match="needs all 4 tokens"):
        model.decode(tokens[:, :2])


def test_the_folded_modulation_is_that_of_the_time() -> None:
    torch.manual_seed(0)
    block, time, x = PatchBlock(8).requires_grad_(False), torch.randn(1, 8), torch.randn(2, 8, 5, 6)
    shift1, scale1, gate1, shift2, scale2, gate2 = block.adaLN_modulation(time).view(6, 8, 1, 1)
    h = F.gelu(block.conv2(block.conv1(normalised(x) * (1 + scale1) + shift1)))
    expected = x + gate1 * block.conv3(h * block.ca(h))
    h = normalised(expected) * (1 + scale2) + shift2
    expected = expected + gate2 * block.conv5(F.gelu(block.conv4(h)))
    block.prepare(time)
    torch.testing.assert_close(block(x), expected)


def test_the_folded_start_of_pixels_is_three_linear_maps(tiny: Any) -> None:
    state, _ = tiny
    net, plain = CodLite(state).net, TINY[16].build()
    plain.load_state_dict(state, strict=False)  # the condition has no doubling
    condition = torch.randn(32)
    of_condition = plain.y_embedder_x(condition.view(1, -1, 1, 1)).view(32, 256).T
    values = torch.cat((torch.zeros(256, 3), of_condition, positions()), dim=1)  # no noise
    expected = plain.dec_net.input_proj(plain.x_embedder.embedder(values))
    torch.testing.assert_close((net.start @ condition + net.start_bias).view(256, 32), expected, atol=1e-4, rtol=1e-4)


def test_positions_are_cosines_of_rows_and_columns() -> None:
    places = positions().view(16, 16, 8, 8)
    assert (places[..., 0, 0] == 1).all()
    torch.testing.assert_close(places[3, :, :, 0], places[9, :, :, 0])  # the first axis is that of columns
    torch.testing.assert_close(places[:, 3, 0], places[:, 9, 0])
    assert places[0, 0, 7, 7] == pytest.approx(1 / 65)


@pytest.mark.slow
@pytest.mark.published
@pytest.mark.parametrize("key", ["cod-lite-16x-8bit", "cod-lite-32x-4bit"])
def test_golden_values(key: str) -> None:
    expected, layout = golden(key), CodLite.variants[key].layout
    model = CodLite(filled_state(layout, lambda name: name))
    sure = expected["margin"] > 1e-4
    assert (model.encode(astronaut(layout.tile))[0].numpy() == expected["tokens"])[sure].all() and sure.mean() > 0.9
    drawn = 2 * model.reconstruct(torch.from_numpy(expected["tokens"][None]).long())[0] - 1
    np.testing.assert_allclose(drawn[:, ::16, ::16].numpy(), expected["recon"], atol=2e-3)


def test_a_picture_through_a_file_with_a_tile_of_512(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(32, 4, 512, channels=32, width=32, blocks=1, pixel_blocks=1, bottleneck=8)
    monkeypatch.setitem(CodLite.variants, "tiny", Variant("Tiny", layout, False, 256, "for tests"))
    torch.save({f"net.{name}": entry for name, entry in random_state(layout).items()}, tmp_path / "a.pt")
    model = import_model(tmp_path / "a.pt", "tiny", dest=tmp_path).path
    picture = Image.effect_noise((700, 500), 60).convert("RGB")
    data = tokcodec.encode(picture, model=model)
    facts = tokcodec.info(data, model=model)
    assert facts.tiles == 1 and facts.payload_bytes in (128, 129) and facts.complete
    assert tokcodec.decode(data, model=model).size == (700, 500)
    with pytest.raises(TokError, match="files cannot be cut"):
        tokcodec.truncate(data, size=100, model=model)
