"""The training run of a cascade: all scales, validation, entropy tables, and the model's folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..container.tables import FrequencyTables
from ..models.modelfile import write_model
from ..tokenizers.cascade import CascadeConfig, CascadeTokenizer, pack_tensors
from .cascade import TABLE_STEP, ScaleTrainer
from .data import load_pictures, load_validation
from .fit import TrainingRun
from .journal import Journal
from .settings import CascadeTraining

TABLE_CROPS = 500
"""Crops encoded at a time to fit the tables, each also mirrored."""

log = logging.getLogger(__name__)

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 192, 256)
"""Token counts of the validation table."""


def psnr_by_tokens(
    tokenizer: CascadeTokenizer, tiles: torch.Tensor, counts: Sequence[int] = COUNTS
) -> dict[int, float]:
    """Mean PSNR of tiles of the first scale by the number of tokens.

    Args:
        tokenizer: tokenizer on the CPU.
        tiles: float32 N x 3 x 256 x 256 in [0, 1].
        counts: numbers of tokens; those above the tokenizer's are left out.

    Returns:
        PSNR in dB (peak 1, pixels not rounded to 8 bits) for each number of tokens.
    """
    tokens = tokenizer.encode(tiles)
    out = {}
    for count in (c for c in counts if c <= tokenizer.n_tokens):
        error = ((tokenizer.decode(tokens[:, :count], "fidelity") - tiles) ** 2).mean((1, 2, 3))
        out[count] = float((-10 * torch.log10(error)).mean())
    return out


def code_usage(digits: NDArray[np.integer[Any]], codewords: int) -> NDArray[np.float64]:
    """Perplexity of each digit over a batch: int N x T -> float64 T, at most min(N, codewords)."""
    out = np.empty(digits.shape[1])
    for position, column in enumerate(digits.T):
        share = np.bincount(column, minlength=codewords) / len(column)
        out[position] = np.exp(-(share * np.log(share, where=share > 0, out=np.zeros(codewords))).sum())
    return out


class CascadeRun(TrainingRun):
    """The training run of a cascade, one scale after the other.

    Args:
        sources: folders or tar archives of training pictures.
        valid: folders or tar archives of validation pictures, which are never trained on.
        out: folder of the model. The state of the run is in OUT.training.
        training: settings.
        config: sizes of the model.

    Raises:
        PictureError: a set has no usable picture.
        FileNotFoundError: a source is neither a folder nor a tar archive.
    """

    def __init__(
        self,
        sources: Sequence[Path],
        valid: Sequence[Path],
        out: Path,
        training: CascadeTraining,
        config: CascadeConfig,
    ) -> None:
        super().__init__(Journal(out.with_name(out.name + ".training"), "log", "checkpoint"))
        self.out, self.config, self.training = out, config, training
        self.valid, seen = load_validation(valid)
        pictures = load_pictures(sources, seen)
        log.info("%d training pictures", len(pictures))
        self.trainers = [ScaleTrainer(pictures, config, training, scale) for scale in range(len(config.scales) + 1)]

    def state_dict(self) -> dict[str, Any]:
        """The step and the tensors of every scale."""
        return {"scales": [{"step": trainer.step, "tensors": trainer.tensors} for trainer in self.trainers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        for trainer, scale in zip(self.trainers, state["scales"], strict=True):
            trainer.step, trainer.tensors = scale["step"], scale["tensors"]

    def validate(self) -> None:
        """Log the mean PSNR by token count of every validation set, with the codewords of the first scale."""
        tokenizer = self.tokenizer([self.trainers[0]])
        for name, tiles in self.valid.items():
            psnr = {count: round(value, 2) for count, value in psnr_by_tokens(tokenizer, tiles).items()}
            self.journal.record(step=self.trainers[0].step, seconds=round(self.seconds), valid=name, psnr=psnr)

    def tokenizer(
        self, trainers: Sequence[ScaleTrainer], tables: tuple[FrequencyTables, ...] | None = None
    ) -> CascadeTokenizer:
        """The tokenizer of some scales in their present state, with entropy tables or without."""
        tensors = pack_tensors(self.config, [trainer.arrays() for trainer in trainers])
        return CascadeTokenizer(tensors, tables=tables, weights=self.config.error_weights())

    def train(self, save_every: float = 180.0) -> None:
        """Resume, and train every scale to the end. Saves and validates every `save_every` seconds and at each end."""
        self.resume()
        for trainer in self.trainers:
            if not trainer.tensors:
                trainer.initialise()
            self.fit(
                trainer,
                self.training.steps,
                2 * self.training.crops,
                save_every=save_every,
                validated=trainer.scale == 0,
                scale=trainer.scale,
            )

    def finish(self, licence: str, tiles: int = 40000) -> None:
        """Fit the entropy tables on new training crops and write the model's folder.

        Args:
            licence: licence of the weights, for the manifest.
            tiles: tiles that the tables of each scale are fitted on.
        """
        tables: list[FrequencyTables] = []
        for scale, trainer in enumerate(self.trainers):
            # The encoder weighs bits, which depend on the tables: fit them on few crops first, then encode with these.
            fitted: tuple[FrequencyTables, ...] | None = None
            for part in (tiles // 8, tiles):
                codewords = self.tokenizer([trainer], fitted).codewords(0)
                rounds = range(-(-part // (2 * TABLE_CROPS)))
                tokens = np.concatenate(
                    [
                        codewords.encode(
                            trainer.sample(TABLE_STEP + number, TABLE_CROPS).double().numpy(), self.config.n_tokens
                        )[0]
                        for number in rounds
                    ]
                )
                fitted = (FrequencyTables.fit(tokens, (self.config.codewords,) * 2, self.config.n_tokens),)
            tables += fitted or ()
            bits = fitted[0].bits(tokens).mean(0) if fitted else np.zeros(1)
            self.journal.record(
                scale=scale,
                bits_per_token=[round(float(value), 2) for value in bits],
                usage=[round(float(p)) for p in code_usage(tokens // self.config.codewords, self.config.codewords)],
            )
        tensors = pack_tensors(self.config, [trainer.arrays() for trainer in self.trainers])
        write_model(
            self.out,
            name=self.out.name,
            family="cascade",
            tables=tables,
            tensors={f"decoder.{key}": value for key, value in tensors.items()},
            hashed=["decoder."],
            scales=self.config.scales,
            error_weights=self.config.error_weights(),
            ordered=True,
            default_tokens=min(64, self.config.n_tokens),
            licence=licence,
            description="Cascade of product quantisers over DCT coefficients",
            overwrite=True,
        )
