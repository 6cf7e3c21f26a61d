"""flux2-1d-tokenizer: its layout, a small one that runs, looks, and the published size against golden values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.tokenizers.published.filling import astronaut, filled_state, golden, random_state  # noqa: E402
from tokcodec.errors import ModelFileError  # noqa: E402
from tokcodec.tokenizers.published.checkpoint import Variant, expected_shapes  # noqa: E402
from tokcodec.tokenizers.published.flux2 import Flux2, with_looks  # noqa: E402
from tokcodec.tokenizers.published.flux2_modules import Layout, rotations  # noqa: E402

SMALL: dict[str, Any] = {
    "width": 64, "layers": 1, "queries": 8, "kept": 4, "codebook": 512, "code_width": 8, "vae_widths": (32,) * 4,
    "tile": 32,
}  # fmt: skip
TINY, TINY_LOOKS = Layout(**SMALL), Layout(**SMALL, decoders=2)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Any:
    """State dict of a small model, known during the test."""
    monkeypatch.setitem(Flux2.variants, "tiny", Variant("Tiny", TINY, True, 4, "for tests"))
    looks = Variant("Tiny", TINY_LOOKS, True, 4, "for tests", looks=("sharp", "base"))
    monkeypatch.setitem(Flux2.variants, "tiny-looks", looks)
    return random_state(TINY)


def test_published_layout() -> None:
    shapes = expected_shapes(Layout())
    core = {name: shape for name, shape in shapes.items() if not name.startswith("vae.")}
    assert len(core) == 306 and sum(map(math.prod, core.values())) == 85_369_632
    vae = [shape for name, shape in shapes.items() if name.startswith("vae.")]
    assert len(vae) == 250 and sum(map(math.prod, vae)) == 84_046_371  # and a counter, which is left out
    assert Layout().radices == (256, 256) and Flux2.identify(shapes) == "flux2-1d"


def test_positions_go_from_0_to_32_for_any_number_of_patches() -> None:
    for side in (8, 16):
        angles = rotations(side).view(side, side, 2, 16)
        assert angles[0, :, 0].abs().max() == 0 and angles[:, 0, 1].abs().max() == 0
        assert angles[-1, 0, 0, 0] == 32 and angles[0, -1, 1, 0] == 32


def test_any_number_of_first_tokens_draws(tiny: Any) -> None:
    model = Flux2(tiny)
    tiles = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tokens = model.encode(tiles)
    assert tokens.shape == (2, 4) and torch.equal(model.encode(tiles[1:], 3), tokens[1:, :3])
    drawn = [model.decode(tokens[:, :count]) for count in (1, 4)]
    assert drawn[0].shape == (2, 3, 32, 32) and not torch.equal(*drawn)
    torch.testing.assert_close(model.decode(tokens[1:]), drawn[1][1:], atol=1e-4, rtol=0)
    assert Flux2(tiny, dtype=torch.bfloat16).decode(tokens[:1]).dtype == torch.float32


def test_two_checkpoints_are_looks_of_the_same_tokens(tiny: Any) -> None:
    other = {name: entry + 0.1 if name.startswith("decoder.") else entry for name, entry in tiny.items()}
    both, sharp, base = Flux2(with_looks(tiny, other)), Flux2(tiny), Flux2(other)
    tokens = torch.tensor([[1, 2]])
    assert both.looks == ("sharp", "base")
    assert torch.equal(both.decode(tokens), sharp.decode(tokens))
    assert torch.equal(both.decode(tokens, "base"), base.decode(tokens))
    with pytest.raises(ModelFileError, match=r"differ in `bsq\.codebook\.weight`, so their tokens do"):
        with_looks(tiny, {**other, "bsq.codebook.weight": other["bsq.codebook.weight"] + 1})


def test_a_missing_autoencoder_is_named() -> None:
    shapes = {name: shape for name, shape in expected_shapes(Layout()).items() if not name.startswith("vae.")}
    with pytest.raises(ModelFileError, match=r"no autoencoder: give that of FLUX\.2, another file, with --vae"):
        Flux2.identify(shapes)


@pytest.mark.slow
@pytest.mark.published
def test_golden_values() -> None:
    expected = golden("flux2-1d")
    model = Flux2(filled_state(Layout(), lambda name: name))
    with torch.inference_mode():
        latents = model.net.vae.encode(2 * astronaut() - 1)
        np.testing.assert_allclose(latents[0, :, ::8, ::8].numpy(), expected["latents"], atol=2e-3)
        tokens = model.net.tokens_of(latents)[0].numpy()
        sure = expected["margin"] > 1e-4
        assert (tokens == expected["tokens"])[sure].all() and sure.mean() > 0.9
        for count in (256, 64, 1):
            drawn = 2 * model.reconstruct(torch.from_numpy(expected["tokens"][None, :count]).long())[0] - 1
            np.testing.assert_allclose(drawn[:, ::16, ::16].numpy(), expected[f"recon_{count}"], atol=2e-3)
