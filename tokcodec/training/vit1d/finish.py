"""The end of a training: the model's folder with fitted entropy tables."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import torch

from ...container.tables import FrequencyTables
from ...models.modelfile import Model, write_model
from ...tokenizers.vit1d.modules import Vit1dNet
from ...tokenizers.vit1d.tokenizer import Vit1d
from .run import Run1d

log = logging.getLogger(__name__)

TABLE_STEP = 1 << 30
"""Step number from which on crops fit the entropy tables. No training step has such a number."""
HASHED = ("decoder.", "quantize.")
"""Prefixes of the tensors that decoding uses."""


def stored_weights(net: Vit1dNet, n_tokens: int) -> dict[str, torch.Tensor]:
    """The weights as they are stored: in 16 bits, on the CPU, and without the decoder's latents of the padding."""
    state = {name: entry.detach().cpu() for name, entry in net.state_dict().items()}
    state["decoder.latents"] = state["decoder.latents"][:n_tokens]
    return {
        name: (entry.half() if entry.is_floating_point() else entry).contiguous() for name, entry in state.items()
    }


def fit_tables(run: Run1d, tokenizer: Vit1d, tiles: int) -> FrequencyTables:
    """Fit the entropy tables on new training crops.

    Args:
        run: the run, whose photographs are used.
        tokenizer: the finished tokenizer.
        tiles: number of crops.
    """
    rounds = range(-(-tiles // run.training.batch))
    tokens = [tokenizer.encode(run.samples.tiles(TABLE_STEP + number)).cpu().numpy() for number in rounds]
    return FrequencyTables.fit(np.concatenate(tokens), tokenizer.net.quantize.radices, run.size.n_tokens)


def write_result(run: Run1d, licence: str, tiles: int = 20000) -> Model | None:
    """Write the model's folder, by the first process alone.

    Args:
        run: the finished run.
        licence: licence of the weights, for the manifest.
        tiles: tiles that the tables are fitted on.

    Raises:
        OutputError: the folder cannot be written.
    """
    if not run.ranks.first:
        return None
    ordered, n_tokens = run.training.tail_drop != "none", run.size.n_tokens
    state: Mapping[str, torch.Tensor] = stored_weights(run.averaged_net(), n_tokens)
    tables = fit_tables(run, Vit1d(state, ordered, run.ranks.device), tiles)
    description = f"1D transformer tokenizer, trained with tail drop: {run.training.tail_drop}"
    log.info("writing %s", run.out)
    return write_model(
        run.out,
        name=run.out.name,
        family="vit1d",
        tables=[tables],
        tensors={name: tensor.numpy() for name, tensor in state.items()},
        hashed=HASHED,
        tile=run.size.tile,
        ordered=ordered,
        default_tokens=min(64, n_tokens) if ordered else n_tokens,
        licence=licence,
        description=description,
        overwrite=True,
    )
