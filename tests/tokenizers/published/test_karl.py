"""KARL: its layout and names, a small one that runs, tokens that are left out, and the published size."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from tests.tokenizers.published.filling import astronaut, filled_state, golden, random_state  # noqa: E402
from tokcodec.errors import ModelFileError  # noqa: E402
from tokcodec.tokenizers.importing import import_model  # noqa: E402
from tokcodec.tokenizers.published.checkpoint import Variant, expected_shapes  # noqa: E402
from tokcodec.tokenizers.published.karl import Karl  # noqa: E402
from tokcodec.tokenizers.published.karl_modules import CODEBOOK, HALTED, Layout  # noqa: E402
from tokcodec.tokenizers.published.titok import Titok  # noqa: E402

TINY = Layout(width=384, layers=1, hidden=32, n_tokens=6)
VQGAN = "base_tokenizer.vqgan."


def public(name: str) -> str:
    """An entry's name in the published files."""
    if name.startswith(VQGAN):
        for ours, theirs in ((".mid.0.", ".mid.block_1."), (".mid.1.", ".mid.block_2.")):
            name = name.replace(ours, theirs)
        name = name.replace(".upsample_conv.", ".upsample.conv.")
    return name


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Any:
    """State dict of a small model, known during the test."""
    monkeypatch.setitem(Karl.variants, "tiny", Variant("Tiny", TINY, False, 6, "for tests"))
    state = random_state(TINY)
    del state["target_error"]
    return state


def photograph(count: int = 1) -> Any:
    return torch.rand(count, 3, 256, 256, generator=torch.Generator().manual_seed(0))


def test_published_layout() -> None:
    shapes = expected_shapes(Layout())
    assert Karl.identify(shapes) == "karl-small" and Layout().radices == (CODEBOOK + 1,)
    del shapes["target_error"]  # ours
    assert len(shapes) == 391 and sum(map(math.prod, shapes.values())) == 270_911_120


def test_published_names_are_recognised_and_losses_left_out(tiny: Any) -> None:
    file = {public(name): entry for name, entry in tiny.items()} | {"gan_losses.0.logvar": torch.zeros(())}
    assert "base_tokenizer.vqgan.decoder.up.4.upsample.conv.weight" in file
    assert "base_tokenizer.vqgan.encoder.mid.block_2.norm1.bias" in file
    assert Karl.completed(file).keys() == tiny.keys() | {"target_error"} == Karl.completed(tiny).keys()
    tokens = torch.tensor([[5, 6]])
    assert torch.equal(Karl(file).net.decode(tokens), Karl(tiny).net.decode(tokens))


def test_continuous_latents_are_named() -> None:
    shapes = {name: shape for name, shape in expected_shapes(Layout()).items() if not name.startswith("quantize.")}
    with pytest.raises(ModelFileError, match="KARL checkpoint with continuous latents"):
        Karl.identify(shapes)


def test_halted_tokens_have_a_value_of_their_own(tiny: Any) -> None:
    model, tiles = Karl(tiny), photograph(2)
    with torch.inference_mode():
        codes, halting = model.net.codes(tiles, 6, 0.05)
    tokens = model.encode(tiles)
    assert tokens.shape == (2, 6) and torch.equal(model.encode(tiles[1:]), tokens[1:])
    assert torch.equal(tokens, torch.where(halting > HALTED, CODEBOOK, codes))


def test_the_encoder_aims_at_the_error_of_the_model(tiny: Any) -> None:
    tiles = photograph()
    with torch.inference_mode():
        loose = Karl(Karl.aiming_at(0.13, tiny))
        told = [loose.net.codes(tiles, 6, target)[1] for target in (0.05, 0.12, 0.13, 0.14, 0.5, 0.38)]
    assert torch.equal(told[2], told[3]) and not torch.equal(told[1], told[2]), "rounded up"
    assert torch.equal(told[4], told[5]) and not torch.equal(told[0], told[3])
    assert torch.equal(loose.encode(tiles) == CODEBOOK, told[3] > HALTED)
    assert torch.equal(Karl(tiny).encode(tiles) == CODEBOOK, told[0] > HALTED)


def test_a_published_file_is_imported_with_a_target_error(tiny: Any, tmp_path: Path) -> None:
    file = {public(name): entry for name, entry in tiny.items()}
    torch.save({"model": {}, "ema": file, "args": argparse.Namespace(epochs=3)}, tmp_path / "karl.pth")
    model = import_model(tmp_path / "karl.pth", "tiny", target_error=0.13, dest=tmp_path)
    assert not model.ordered and model.radices == (CODEBOOK + 1,)
    assert load_file(model.weights_path)["target_error"].tolist() == pytest.approx([0.13])
    assert "a token costs at most 13 bits" in (model.path / "README.md").read_text()


def test_other_families_have_no_target_error() -> None:
    with pytest.raises(ValueError, match="titok models have no target error"):
        Titok.aiming_at(0.1, {})


def test_a_token_that_is_left_out_keeps_the_places_of_the_others(tiny: Any) -> None:
    model, out = Karl(tiny), CODEBOOK
    first = model.decode(torch.tensor([[7, out, out, out, out, out]]))
    torch.testing.assert_close(model.net.decode(torch.tensor([[7]])).clamp(0, 1), first)
    assert not torch.equal(model.decode(torch.tensor([[out, 7, out, out, out, out]])), first)
    rows = torch.tensor([[out] * 6, [1, out, 2, 3, out, 4]])
    drawn = model.decode(rows)
    assert drawn.shape == (2, 3, 256, 256) and torch.equal(model.decode(rows[1:])[0], drawn[1])
    assert Karl(tiny, dtype=torch.bfloat16).decode(rows[1:]).dtype == torch.float32


def test_first_tables_make_tokens_cheap_that_are_left_out() -> None:
    tables = Karl.first_tables(Layout())
    bits = tables.bits(np.array([[0, CODEBOOK - 1, CODEBOOK]]))[0]
    assert tables.n_tokens == 256 and bits.tolist() == [13, 13, 1]


@pytest.mark.slow
@pytest.mark.published
def test_golden_values() -> None:
    expected = golden("karl-small")
    state = filled_state(Layout(), public)
    del state["target_error"]
    model = Karl(state)
    del state
    with torch.inference_mode():
        for budget, target in ((256, 0.05), (64, 0.02)):
            tokens, halting = (each[0].numpy() for each in model.net.codes(astronaut(), budget, target))
            sure = expected[f"margin_{budget}"] > 1e-4
            assert (tokens == expected[f"tokens_{budget}"])[sure].all() and sure.mean() > 0.9
            np.testing.assert_allclose(halting, expected[f"halt_{budget}"], atol=2e-3)
            kept = np.where(expected[f"halt_{budget}"] > HALTED, CODEBOOK, expected[f"tokens_{budget}"])
            drawn = model.net.decode(torch.from_numpy(kept[None]).long())[0]
            np.testing.assert_allclose(drawn[:, ::16, ::16].numpy(), expected[f"masked_{budget}"], atol=2e-3)
        for count in (256, 64, 1):
            drawn = model.net.decode(torch.from_numpy(expected["tokens_256"][None, :count]).long())[0]
            np.testing.assert_allclose(drawn[:, ::16, ::16].numpy(), expected[f"recon_{count}"], atol=2e-3)
