"""FlexTok: its layout, a small one that runs, its tokens and guidance, and the published size against golden values."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.tokenizers.published.filling import astronaut, filled_state, golden, random_state  # noqa: E402
from tokcodec.tokenizers.published.checkpoint import Variant, expected_shapes  # noqa: E402
from tokcodec.tokenizers.published.flextok import Flextok  # noqa: E402
from tokcodec.tokenizers.published.flextok_modules import (  # noqa: E402
    LEVELS,
    Guide,
    Layout,
    axes_of,
    to_latents,
    to_patches,
    tokens_of,
)

TINY = Layout(encoder=1, decoder=1, n_tokens=4, vae_widths=(32,) * 4, steps=2, tile=32)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Any:
    """State dict of a small model as published, known during the test."""
    monkeypatch.setitem(Flextok.variants, "tiny", Variant("Tiny", TINY, True, 4, "for tests"))
    state = random_state(TINY)
    del state["noise"]
    return state


def test_published_layout() -> None:
    shapes = expected_shapes(Layout())
    del shapes["noise"]  # ours
    assert len(shapes) == 462 and sum(map(math.prod, shapes.values())) == 341_651_737
    assert math.prod(Layout().radices) == math.prod(LEVELS) == 64_000


def test_every_token_has_its_axes() -> None:
    tokens = torch.arange(64_000)
    axes = axes_of(tokens)
    assert axes.min() == -1 and axes.max() == 1
    half = (torch.tensor(LEVELS) - 1) * 1.001 / 2
    offset = torch.where(torch.tensor(LEVELS) % 2 == 0, 0.5, 0.0)
    before = ((axes * (torch.tensor(LEVELS) // 2) + offset) / half).clamp(-0.999999, 0.999999).atanh()
    assert torch.equal(tokens_of(before - (offset / half).atanh()), tokens)
    assert axes_of(torch.tensor(1))[0] - axes_of(torch.tensor(0))[0] == 0.25  # the first axis is the least significant


def test_patches_and_latents_are_inverses() -> None:
    latents = torch.rand(2, 16, 8, 8)
    patches = to_patches(latents)
    assert patches.shape == (2, 16, 64) and torch.equal(to_latents(patches), latents)
    assert torch.equal(patches[0, 0, :16], latents[0, :, 0, 0])


def test_guidance_is_limited_and_leaves_the_prediction() -> None:
    given, without = 100 * torch.rand(4, 4, 4), torch.zeros(4, 4, 4)
    torch.testing.assert_close(Guide(7.5)(given, without), given)  # all of the change is along the prediction
    other = given.flip(0)
    change = Guide(7.5)(given, other) - given
    assert abs(float((change * given).sum())) < 1 and change.norm() < 6.5 * 2.5 + 1e-3


def test_any_number_of_first_tokens_draws_the_same_picture_each_time(tiny: Any) -> None:
    model = Flextok(tiny)
    tiles = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tokens = model.encode(tiles)
    assert tokens.shape == (2, 4) and torch.equal(model.encode(tiles[1:], 3), tokens[1:, :3])
    drawn = [model.decode(tokens[:, :count]) for count in (1, 4)]
    assert drawn[0].shape == (2, 3, 32, 32) and not torch.equal(*drawn)
    assert torch.equal(Flextok(tiny).decode(tokens), drawn[1])
    assert Flextok(tiny, dtype=torch.bfloat16).decode(tokens[:1]).dtype == torch.float32


def test_later_registers_do_not_change_the_tokens_before(tiny: Any) -> None:
    name = "encoder.module_dict.enc_register_module.registers"
    other = {**tiny, name: torch.cat((tiny[name][:2], tiny[name][2:] + 1))}
    tiles = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first, second = (Flextok(state).net.registers(tiles)[0] for state in (tiny, other))
    torch.testing.assert_close(first[:2], second[:2])
    assert not torch.allclose(first[2:], second[2:])


@pytest.mark.slow
@pytest.mark.published
def test_golden_values(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = golden("flextok-d12-d12")
    variant = Flextok.variants["flextok-d12-d12"]
    layout = replace(Layout(), steps=4)
    monkeypatch.setitem(Flextok.variants, "flextok-d12-d12", replace(variant, layout=layout))
    state = filled_state(layout, lambda name: name)
    del state["noise"]
    model = Flextok(state)
    del state
    with torch.inference_mode():
        latents = model.net.vae.vae.encode(2 * astronaut() - 1) * layout.scaling
        np.testing.assert_allclose(latents[0].numpy(), expected["latents"], atol=2e-3)
        sure = expected["margin"] > 1e-4
        found = tokens_of(model.net.registers_of(torch.from_numpy(expected["latents"])[None]))[0].numpy()
        assert (found == expected["tokens"])[sure].all() and sure.mean() > 0.9
        for count in (256, 64, 1):
            ends = model.net.latents(torch.from_numpy(expected["tokens"][None, :count]).long())
            np.testing.assert_allclose(ends[0, :, ::4, ::4].numpy(), expected[f"latent_{count}"], atol=2e-3)
            drawn = model.net.vae.vae.decode(ends / layout.scaling)[0]
            np.testing.assert_allclose(drawn[:, ::16, ::16].numpy(), expected[f"recon_{count}"], atol=2e-3)
