"""ResTok: its layout, levels and groups, and small and published sizes against golden values.

The golden values are those of a transcription of the public transformers, between the MaskGIT-VQGAN of this package.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.tokenizers.published.filling import astronaut, filled_state, golden, random_state  # noqa: E402
from tokcodec.tokenizers.published.checkpoint import Variant, expected_shapes  # noqa: E402
from tokcodec.tokenizers.published.restok import Restok  # noqa: E402
from tokcodec.tokenizers.published.restok_modules import LEVELS, Layout, earlier, pooled  # noqa: E402

SMALL = Layout(width=128, layers=8, hidden=32)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Any:
    """State dict of a small model, known during the test."""
    monkeypatch.setitem(Restok.variants, "small", Variant("Small", SMALL, True, 128, "for tests"))
    return random_state(SMALL)


def test_published_layout() -> None:
    shapes = expected_shapes(Layout())
    assert Restok.identify(shapes) == "restok-l-128" and Layout().radices == (64, 128)
    training = 2 * 1024**2 + 1024  # two maps to features of another network, and a vector
    assert round((sum(map(math.prod, shapes.values())) + training) / 1e6) == 662


def test_entries_of_the_training_are_left_out(small: Any) -> None:
    names = ("foundation_model.model.norm.weight", "vf_proj.weight", "vf_proj_dec.weight", "decoder.feat_mask_token")
    assert Restok.completed(small | dict.fromkeys(names, torch.zeros(1))).keys() == small.keys()


def test_levels_double() -> None:
    assert [sum(LEVELS[: i + 1]) for i in range(len(LEVELS))] == [1, 2, 4, 8, 16, 32, 64, 128]


def test_levels_are_what_the_coarser_ones_leave() -> None:
    flat = torch.full((1, 2, 16, 16), 3.0)
    assert pooled(flat)[0, 0].tolist() == [3, 3] and pooled(flat)[0, 1:].abs().max() == 0
    halves = torch.cat((flat[..., :8] - 1, flat[..., 8:] + 1), dim=3)
    levels = pooled(halves)[0, :, 0].split(LEVELS)
    assert [level.tolist() for level in levels[:3]] == [[3], [0], [-1, 1]]
    assert all(level.abs().max() == 0 for level in levels[3:])


def test_groups_see_those_before() -> None:
    assert earlier((2, 1)).tolist() == [[True, True, False], [True, True, False], [True, True, True]]


def test_golden_values_of_a_small_model(small: Any) -> None:
    check(Restok(small), golden("restok-small"))


def test_any_number_of_first_tokens_draws(small: Any) -> None:
    model = Restok(small)
    tokens = torch.arange(256).view(2, 128)
    drawn = [model.decode(tokens[:, :count]) for count in (128, 1)]
    assert drawn[0].shape == (2, 3, 256, 256) and not torch.equal(*drawn)
    torch.testing.assert_close(model.decode(tokens[1:]), drawn[0][1:], atol=1e-4, rtol=0)
    half = Restok(small, dtype=torch.bfloat16).decode(tokens[:1])
    assert half.dtype == torch.float32 and (half - drawn[0][:1]).abs().mean() < 0.05


@pytest.mark.slow
@pytest.mark.published
def test_golden_values() -> None:
    check(Restok(filled_state(Layout(), lambda name: name)), golden("restok-l-128"))


def check(model: Restok, expected: Any) -> None:
    """Compare tokens and pictures with golden values."""
    sure = expected["margin"] > 1e-4
    assert (model.encode(astronaut())[0].numpy() == expected["tokens"])[sure].all() and sure.mean() > 0.9
    for count in (128, 32, 5):
        drawn = model.reconstruct(torch.from_numpy(expected["tokens"][None, :count]).long())[0]
        np.testing.assert_allclose(drawn[:, ::16, ::16].numpy(), expected[f"recon_{count}"], atol=2e-3)
