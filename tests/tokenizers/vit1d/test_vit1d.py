"""Networks of the family vit1d: quantisers, layouts, and how missing tokens are left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tokcodec.container.tables import FrequencyTables, join_digits
from tokcodec.errors import ModelFileError
from tokcodec.models.modelfile import write_model
from tokcodec.tokenizers import load_tokenizer
from tokcodec.tokenizers.vit1d.modules import Layout, Vit1dNet, layout_of
from tokcodec.tokenizers.vit1d.quantisers import Codebook, FiniteScalars
from tokcodec.tokenizers.vit1d.tokenizer import Vit1d

LAYOUT = Layout(64, 1, 2, n_tokens=6, tile=128, patch=32, hidden=4, codebook=16, code_width=5, padding=2)


def filled(layout: Layout) -> dict[str, torch.Tensor]:
    """A state dict of random weights."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        entries = Vit1dNet(layout).state_dict()
    state = {name: torch.randn(entry.shape, generator=generator) / 8 for name, entry in entries.items()}
    return state | ({"quantize.levels": torch.tensor(layout.levels)} if layout.levels else {})


def test_finite_scalars_reach_every_level() -> None:
    scalars = FiniteScalars((5, 4))
    z = torch.cartesian_prod(torch.linspace(-4, 4, 60), torch.linspace(-4, 4, 60))
    tokens = scalars.nearest(scalars.represent(z))
    assert sorted(set(tokens.tolist())) == list(range(20))
    assert torch.equal(scalars.nearest(scalars.look_up(tokens)), tokens)
    assert float((scalars.look_up(tokens) - scalars.represent(z)).abs().max()) <= 0.26  # half of the wider step
    digits = np.stack(np.divmod(tokens.numpy(), 4), 1)
    assert np.array_equal(join_digits(digits, scalars.radices), tokens.numpy())


def test_a_codebook_looks_up_what_it_finds() -> None:
    torch.manual_seed(0)
    book = Codebook(16, 4)
    tokens = torch.arange(16)
    assert book.radices == (16,) and torch.equal(book.nearest(book.represent(3 * book.look_up(tokens))), tokens)


@pytest.mark.parametrize("layout", [LAYOUT, replace(LAYOUT, codebook=0, code_width=2, levels=(4, 3), padding=0)])
def test_a_layout_is_that_of_the_weights(layout: Layout) -> None:
    state = filled(layout)
    assert layout_of({name: tuple(entry.shape) for name, entry in state.items()}, layout.levels) == layout
    tokenizer = Vit1d(state)
    assert (tokenizer.n_tokens, tokenizer.tile, tokenizer.vocabulary) == (6, 128, 12 if layout.levels else 16)


def test_weights_that_do_not_fit_are_refused() -> None:
    state = filled(LAYOUT)
    for change, reason in (
        ({"decoder.latents": None}, "no tensor 'decoder.latents'"),
        ({"encoder.embed.weight": torch.zeros(64, 7)}, "do not fit together"),
        ({"decoder.ln_pre.bias": torch.zeros(3)}, "decoder.ln_pre.bias missing, unexpected or misshapen"),
        ({"quantize.levels": torch.tensor([1, 4])}, "not numbers of at least 2"),
    ):
        changed = {name: entry for name, entry in (state | change).items() if entry is not None}
        with pytest.raises(ModelFileError, match=reason):
            Vit1d(changed)


def test_dropped_tokens_have_no_effect() -> None:
    """A batch with a mask draws each tile as it is drawn from its first tokens alone."""
    net = Vit1dNet(LAYOUT)
    net.load_state_dict(filled(LAYOUT))
    codes = torch.randn(3, 6, 5, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        masked = net.decoder.features(codes, torch.tensor([1, 4, 6]))
        for row, count in enumerate((1, 4, 6)):
            alone = net.decoder.features(codes[row : row + 1, :count])
            assert torch.allclose(masked[row : row + 1], alone, atol=1e-5)


def test_tokens_do_not_depend_on_the_batch() -> None:
    tokenizer = Vit1d(filled(LAYOUT))
    tiles = np.random.default_rng(0).random((3, 3, 128, 128), np.float32)
    tokens = tokenizer.encode(tiles)
    assert tokens.dtype == np.int64 and tokens.shape == (3, 6)
    assert np.array_equal(tokenizer.encode(tiles[1:2], 4), tokens[1:2, :4])
    drawn = tokenizer.decode(tokens[:, :2])
    assert drawn.dtype == np.float32 and drawn.shape == tiles.shape and 0 <= drawn.min() <= drawn.max() <= 1
    assert np.allclose(Vit1d(filled(LAYOUT), dtype=torch.bfloat16).decode(tokens[:, :2]), drawn, atol=0.05)


def test_a_model_that_needs_all_tokens_says_so() -> None:
    with pytest.raises(ValueError, match="trained with all of its 6 tokens"):
        Vit1d(filled(LAYOUT), ordered=False).decode(np.zeros((1, 2), np.int64))


def test_a_model_folder_loads_and_names_its_file_if_damaged(tmp_path: Path) -> None:
    state = filled(LAYOUT)
    options = {"family": "vit1d", "tables": [FrequencyTables.uniform(6, (16,))], "hashed": ["decoder."], "tile": 128}
    for name, tensors in (("whole", state), ("damaged", state | {"decoder.ln_pre.bias": torch.zeros(3)})):
        write_model(
            tmp_path / name,
            name=name,
            tensors={key: tensor.numpy() for key, tensor in tensors.items()},
            ordered=True,
            default_tokens=4,
            licence="none",
            description="test",
            **options,  # type: ignore[arg-type]
        )
    assert load_tokenizer(tmp_path / "whole", "cpu").n_tokens == 6
    with pytest.raises(ModelFileError, match=r"damaged/model.safetensors: .* decoder.ln_pre"):
        load_tokenizer(tmp_path / "damaged", "cpu")
