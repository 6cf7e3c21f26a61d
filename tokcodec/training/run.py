"""The training run of a cascade: resume, log, validate, write the model."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..container.tables import FrequencyTables
from ..models.modelfile import write_model
from ..tokenizers.cascade import CascadeConfig, CascadeTokenizer, pack_tensors
from .cascade import TABLE_STEP, CascadeTraining, ScaleTrainer
from .data import centre_tile, digest, load_pictures
from .journal import Journal

TABLE_CROPS = 500
"""Crops encoded at a time to fit the tables, each also mirrored."""

log = logging.getLogger(__name__)

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 192, 256)
"""Token counts of the validation table."""


def psnr_by_tokens(
    tokenizer: CascadeTokenizer, tiles: torch.Tensor, counts: Sequence[int] = COUNTS
) -> dict[int, float]:
    """Mean over tiles of PSNR in dB (peak 1, not rounded to 8 bits) after each number of tokens of the first scale."""
    tokens = tokenizer.encode(tiles)
    out = {}
    for count in (c for c in counts if c <= tokenizer.n_tokens):
        error = ((tokenizer.decode(tokens[:, :count], "fidelity") - tiles) ** 2).mean((1, 2, 3))
        out[count] = float((-10 * torch.log10(error)).mean())
    return out


def code_usage(digits: npt.NDArray[np.integer[Any]], codewords: int) -> npt.NDArray[np.float64]:
    """Perplexity of each digit over a batch: int N x T -> float64 T, at most min(N, codewords)."""
    out = np.empty(digits.shape[1])
    for position, column in enumerate(digits.T):
        share = np.bincount(column, minlength=codewords) / len(column)
        out[position] = np.exp(-(share * np.log(share, where=share > 0, out=np.zeros(codewords))).sum())
    return out


def load_validation(sources: Sequence[Path]) -> tuple[dict[str, torch.Tensor], set[bytes]]:
    """Centre tiles of each source by its name, and the digests of the pictures, which must not be trained on."""
    sets = {source.name: load_pictures([source]) for source in sources}
    tiles = {name: torch.stack([centre_tile(picture) for picture in pictures]) for name, pictures in sets.items()}
    return tiles, {digest(picture) for pictures in sets.values() for picture in pictures}


class Run:
    """One training run. Its state lies in the folder `OUT.training`: a second run there continues the first."""

    def __init__(
        self,
        sources: Sequence[Path],
        valid: Sequence[Path],
        out: Path,
        training: CascadeTraining,
        config: CascadeConfig,
    ) -> None:
        self.out, self.config, self.training = out, config, training
        self.journal = Journal(out.with_name(out.name + ".training"), "log", "checkpoint")
        self.valid, seen = load_validation(valid)
        pictures = load_pictures(sources, seen)
        log.info("%d training pictures", len(pictures))
        self.trainers = [ScaleTrainer(pictures, config, training, scale) for scale in range(len(config.scales) + 1)]
        self.seconds = 0.0

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = {
            f"{trainer.scale}.{name}": tensor for trainer in self.trainers for name, tensor in trainer.tensors.items()
        }
        tensors |= {f"{trainer.scale}.step": torch.tensor(trainer.step) for trainer in self.trainers if trainer.tensors}
        self.journal.save(tensors, sum(trainer.step for trainer in self.trainers), self.seconds)

    def load(self) -> None:
        """Continue from the checkpoint, if there is one: scales are trained one after the other."""
        found = self.journal.load()
        if found is None:
            return
        self.seconds = found.seconds
        for trainer in self.trainers:
            start = f"{trainer.scale}."
            trainer.tensors = {name[2:]: value for name, value in found.tensors.items() if name.startswith(start)}
            trainer.step = int(trainer.tensors.pop("step", 0))

    def validate(self) -> None:
        """Log the mean PSNR by token count of every validation set, as the first scale stands."""
        tokenizer = self.tokenizer([self.trainers[0]])
        for name, tiles in self.valid.items():
            psnr = {count: round(value, 2) for count, value in psnr_by_tokens(tokenizer, tiles).items()}
            self.journal.record(step=self.trainers[0].step, seconds=round(self.seconds), valid=name, psnr=psnr)

    def tokenizer(
        self, trainers: Sequence[ScaleTrainer], tables: tuple[FrequencyTables, ...] | None = None
    ) -> CascadeTokenizer:
        """What would ship of some scales."""
        return CascadeTokenizer(pack_tensors(self.config, [trainer.arrays() for trainer in trainers]), tables=tables)

    def train(self, save_every: float = 180.0) -> None:
        """Go to the configured number of steps of every scale; checkpoint every `save_every` seconds and at the end."""
        begun = saved = time.monotonic()
        self.load()
        before = self.seconds
        for trainer in self.trainers:
            if not trainer.tensors:
                trainer.initialise()
            while trainer.step < self.training.steps:
                error = trainer.train_step()
                now = time.monotonic()
                self.seconds = before + now - begun
                self.journal.record(
                    scale=trainer.scale, step=trainer.step, seconds=round(self.seconds), squared_error=round(error, 2)
                )
                if now - saved > save_every:
                    self.save()
                    saved = now
            self.save()
            if trainer.scale == 0:
                self.validate()

    def finish(self, licence: str, tiles: int = 40000) -> None:
        """Fit the entropy tables on fresh training crops and write the model's folder."""
        tables: list[FrequencyTables] = []
        for scale, trainer in enumerate(self.trainers):
            # The encoder minds bits, which the tables tell: first by tables of few crops, then by those.
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
            ordered=True,
            default_tokens=min(64, self.config.n_tokens),
            licence=licence,
            description="Cascade of product quantisers over DCT coefficients",
            overwrite=True,
        )
