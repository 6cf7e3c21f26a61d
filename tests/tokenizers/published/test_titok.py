"""One-D-Piece and TiTok networks: layouts, agreement with a plain implementation, golden values for filled weights."""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from tests.tokenizers.published.plain_titok import PlainOneStage, PlainTokenizer, random_weights  # noqa: E402
from tokcodec.errors import ModelFileError  # noqa: E402
from tokcodec.tokenizers.published.checkpoint import Variant, checked_tensors, expected_shapes  # noqa: E402
from tokcodec.tokenizers.published.maskgit import ResBlock, UpLevel  # noqa: E402
from tokcodec.tokenizers.published.titok import Titok  # noqa: E402
from tokcodec.tokenizers.published.titok_modules import Layout, TitokNet  # noqa: E402

VARIANTS, identify = Titok.variants, Titok.identify
GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "titok.json").read_text())
TINY = Layout(width=128, layers=2, n_tokens=8, hidden=32)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Any:
    """State dict of a small ordered model, registered under the key `tiny` during the test."""
    monkeypatch.setitem(VARIANTS, "tiny", Variant("Tiny-8", TINY, True, 7, "for tests"))
    with torch.device("meta"):
        net = TitokNet(TINY)
    return random_weights(net)


def photograph(count: int = 1) -> Any:
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    return F.interpolate(coarse, size=(256, 256), mode="bilinear")


# ---- which checkpoint is it


@pytest.mark.parametrize(
    ("key", "entries", "millions"),
    [
        ("one-d-piece-s-256", 308, 83.87),
        ("one-d-piece-b-256", 404, 205.26),
        ("one-d-piece-l-256", 692, 641.74),
        ("titok-s-128", 308, 83.67),
        ("titok-b-64", 404, None),
        ("titok-l-32", 692, None),
        ("titok-bl-64", 459, None),
        ("titok-bl-128", 459, None),
        ("titok-sl-256", 411, None),
    ],
)
def test_published_layouts(key: str, entries: int, millions: float | None) -> None:
    shapes = expected_shapes(VARIANTS[key].layout)
    assert identify(shapes) == key
    assert len(shapes) == entries
    pixels = {name: shape for name, shape in shapes.items() if name.startswith("pixel_decoder.")}
    assert sum(map(np.prod, pixels.values())) == (0 if VARIANTS[key].layout.direct else 30_478_339)
    if millions:
        assert sum(map(np.prod, shapes.values())) / 1e6 == pytest.approx(millions, abs=0.005)


def test_only_one_d_piece_is_ordered_and_keeps_255_tokens() -> None:
    for key, variant in VARIANTS.items():
        assert variant.ordered == key.startswith("one-d-piece")
        assert variant.default_tokens == (255 if variant.ordered else variant.layout.n_tokens)
    assert "trained without the last token" in VARIANTS["one-d-piece-l-256"].note


def test_misfits_are_named() -> None:
    shapes = expected_shapes(VARIANTS["one-d-piece-s-256"].layout)
    del shapes["encoder.conv_out.bias"]
    for i in range(5):
        shapes[f"extra.\x1b{i}"] = (1,)
    shapes["quantize.embedding.weight"] = (8192, 64)
    with pytest.raises(ModelFileError) as caught:
        identify(shapes)
    assert str(caught.value) == (
        "does not fit One-D-Piece-S-256: missing: encoder.conv_out.bias; "
        "unexpected: extra.?0, extra.?1, extra.?2 and 2 more; "
        "misshapen: quantize.embedding.weight is 8192x64 instead of 4096x12"
    )


def test_stage_1_checkpoints_are_refused() -> None:
    shapes = expected_shapes(VARIANTS["titok-b-64"].layout)
    stage_1 = {name: shape for name, shape in shapes.items() if not name.startswith("pixel_")}
    with pytest.raises(ModelFileError, match=r"stage-1 .*`pixel_quantize\.\*` and `pixel_decoder\.\*`.* are missing"):
        identify(stage_1)


@pytest.mark.parametrize("shapes", [{}, {"latent_tokens": (256,)}, {"latent_tokens": (100, 512)}, {"weight": (1, 2)}])
def test_other_state_dicts_are_refused(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ModelFileError, match=r"not a known checkpoint: .* none of One-D-Piece-S-256, "):
        identify(shapes)


@pytest.mark.parametrize("entry", [3, None, [1.0], "text"])
def test_entries_must_be_tensors(entry: object) -> None:
    with pytest.raises(ModelFileError, match="not a state dict"):
        checked_tensors({"latent_tokens": entry})


def test_entries_must_be_dense_floats(tiny: Any) -> None:
    for wrong in (tiny["latent_tokens"].int(), tiny["latent_tokens"].to_sparse()):
        with pytest.raises(ModelFileError, match=r"`latent_tokens`.*floating-point"):
            checked_tensors({**tiny, "latent_tokens": wrong})


def test_ta_titok_is_refused_with_its_reason() -> None:
    shapes = expected_shapes(VARIANTS["titok-bl-64"].layout)
    shapes["decoder.text_guidance_positional_embedding"] = (77, 1024)
    with pytest.raises(ModelFileError, match=r"a TA-TiTok checkpoint: its decoder also reads CLIP features of a text"):
        identify(shapes)


# ---- the same results as step by step


def test_agrees_with_a_plain_implementation(tiny: Any) -> None:
    plain, ours = PlainTokenizer(tiny, TINY.heads), Titok(tiny)
    tiles = photograph(2)
    with torch.no_grad():
        cosines = plain.cosines(tiles)
        margin = cosines.topk(2).values.diff().abs()[..., 0]
        tokens = ours.encode(tiles)
        assert ((tokens == cosines.argmax(-1)) | (margin < 1e-4)).all()
        for kept in (8, 3, 1):
            expected = plain.decode(tokens[:, :kept])
            assert (ours.reconstruct(tokens[:, :kept]) - expected).abs().max() < 2e-4
            assert torch.equal(ours.decode(tokens[:, :kept]), ours.reconstruct(tokens[:, :kept]).clamp(0, 1))


def test_one_stage_agrees_with_a_plain_implementation(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(width=64, layers=2, n_tokens=8, direct=(128, 1))
    monkeypatch.setitem(VARIANTS, "tiny-direct", Variant("Tiny-8", layout, False, 8, "for tests"))
    with torch.device("meta"):
        net = layout.build()
    weights = random_weights(net)
    plain, ours = PlainOneStage(weights), Titok(weights)
    tiles = photograph(2)
    with torch.no_grad():
        distances = plain.distances(tiles)
        margin = distances.topk(2, largest=False).values.diff()[..., 0]
        tokens = ours.encode(tiles)
        assert ((tokens == distances.argmin(-1)) | (margin < 1e-4)).all()
        assert (ours.reconstruct(tokens) - plain.decode(tokens)).abs().max() < 2e-4
    assert ours.values == 8192 and tokens.max() < 8192


def test_up_sampling_is_fused_exactly() -> None:
    level = UpLevel(32, 32, upsample=True).requires_grad_(False)
    level.block = torch.nn.ModuleList()
    level.prepare()
    x = torch.randn(2, 32, 5, 7)
    expected = level.upsample_conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
    torch.testing.assert_close(level(x), expected, atol=1e-5, rtol=1e-5)


def test_shortcut_reads_the_output_of_the_second_convolution() -> None:
    block = ResBlock(64, 32).requires_grad_(False)
    x = torch.randn(1, 64, 6, 6)
    h = block.conv2(F.silu(block.norm2(block.conv1(F.silu(block.norm1(x))))))
    expected = h + block.nin_shortcut(h)
    block.prepare()
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


# ---- the interface


def test_shapes_types_and_range(tiny: Any) -> None:
    model = Titok(tiny)
    tokens = model.encode(photograph(3))
    assert tokens.shape == (3, model.n_tokens) and tokens.dtype == torch.int64
    picture = model.decode(tokens[:, :5])
    assert picture.shape == (3, 3, 256, 256) and picture.dtype == torch.float32
    assert picture.min() >= 0 and picture.max() <= 1


def test_tiles_do_not_influence_each_other(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Titok, "decode_batch", 2)
    monkeypatch.setattr(Titok, "encode_batch", 2)
    model = Titok(tiny)
    tiles = photograph(3)
    tokens = model.encode(tiles)
    assert torch.equal(tokens, torch.cat([model.encode(tile[None]) for tile in tiles]))
    alone = torch.cat([model.decode(row[None]) for row in tokens])
    torch.testing.assert_close(model.decode(tokens), alone, atol=1e-4, rtol=0)


def test_bfloat16_decodes_only(tiny: Any) -> None:
    exact, rounded = Titok(tiny), Titok(tiny, dtype=torch.bfloat16)
    tokens = exact.encode(photograph())
    assert torch.equal(rounded.encode(photograph()), tokens)
    difference = (rounded.decode(tokens) - exact.decode(tokens)).abs()
    assert rounded.decode(tokens).dtype == torch.float32
    assert 0 < difference.mean() < 0.02
    with pytest.raises(ValueError, match="dtype"):
        Titok(tiny, dtype=torch.float16)


def test_pickled(tiny: Any) -> None:
    """The copy, as a worker process gets it, has the same tokens and pixels."""
    model = Titok(tiny)
    copy = pickle.loads(pickle.dumps(model))
    tokens = model.encode(photograph(2))
    assert torch.equal(copy.encode(photograph(2)), tokens)
    assert torch.equal(copy.decode(tokens), model.decode(tokens))


def test_unordered_models_need_all_tokens(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIANTS, "tiny", Variant("Tiny-8", TINY, False, 8, "not ordered"))
    model = Titok(tiny)
    assert model.decode(torch.zeros(1, 8, dtype=torch.int64)).shape == (1, 3, 256, 256)
    with pytest.raises(ValueError, match="Tiny-8 needs all 8 tokens: not ordered"):
        model.decode(torch.zeros(1, 7, dtype=torch.int64))


@pytest.mark.parametrize("tokens", [[[-1]], [[4096]], [[0] * 9], [0]])
def test_wrong_tokens_are_refused(tiny: Any, tokens: Any) -> None:
    with pytest.raises(ValueError, match="tokens must"):
        Titok(tiny).decode(torch.tensor(tokens))


@pytest.mark.parametrize("shape", [(3, 256, 256), (1, 3, 128, 256), (1, 1, 256, 256)])
def test_wrong_tiles_are_refused(tiny: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="tiles must"):
        Titok(tiny).encode(torch.zeros(shape))


# ---- golden values


@cache  # both networks have most of their entries
def filled(name: str, shape: tuple[int, ...]) -> Any:
    """Weights that depend on the entry's name and shape alone, float32."""
    x = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape, dtype=np.float32)
    if len(shape) >= 2 and name.endswith("weight") and "embedding" not in name:
        return x / np.sqrt(np.prod(shape[1:]), dtype=np.float32)
    if name.endswith("weight") and len(shape) == 1:
        return 1 + np.float32(0.1) * x
    return np.float32(0.1 if name.endswith("bias") else 0.5) * x


@pytest.fixture(scope="module")
def weights() -> Iterator[None]:
    """Free the memory of the filled weights, 335 MB."""
    yield
    filled.cache_clear()


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("key", ["one-d-piece-s-256", "titok-s-128"])
def test_golden_values(key: str) -> None:
    astronaut = pytest.importorskip("skimage.data").astronaut()[:256, 128:384]
    golden = GOLDEN[key]
    shapes = expected_shapes(VARIANTS[key].layout)
    assert len(shapes) == golden["entries"]
    assert sum(map(np.prod, shapes.values())) == golden["parameters"]
    model = Titok({name: torch.from_numpy(filled(name, shape)) for name, shape in shapes.items()})

    tile = torch.from_numpy(astronaut.astype(np.float32) / 255).permute(2, 0, 1)[None]
    assert golden["smallest_margin"] > 1e-4  # no near ties: every token must be equal
    assert model.encode(tile)[0].tolist() == golden["tokens"]
    tokens = torch.tensor(golden["tokens"])[None]
    for kept, expected in golden["outputs"].items():
        picture = model.reconstruct(tokens[:, : int(kept)])[0].numpy()
        np.testing.assert_allclose(picture[:, 16::64, 32::64], expected["values"], atol=2e-3)
        found = [picture.mean(), picture.std(), picture.min(), picture.max()]
        np.testing.assert_allclose(found, expected["mean_std_min_max"], atol=2e-3)
