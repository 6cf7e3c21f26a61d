"""The training run of a cascade: resume, log, validate, write the model."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..container.tables import FrequencyTables
from ..models.modelfile import write_model
from ..tokenizers.cascade import CascadeConfig, CascadeTokenizer, pack_tensors
from .cascade import TABLE_STEP, CascadeTrainer, CascadeTraining
from .data import centre_tile, digest, load_pictures
from .journal import Journal

log = logging.getLogger(__name__)

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 192, 256)
"""Token counts of the validation table."""


def psnr_by_tokens(
    tokenizer: CascadeTokenizer, tiles: torch.Tensor, counts: Sequence[int] = COUNTS
) -> dict[int, float]:
    """Mean over tiles of PSNR in dB (peak 1, not rounded to 8 bits) after each number of tokens."""
    tokens = tokenizer.encode(tiles)
    out = {}
    for count in (c for c in counts if c <= tokenizer.n_tokens):
        error = ((tokenizer.decode(tokens[:, :count], "fidelity") - tiles) ** 2).mean((1, 2, 3))
        out[count] = float((-10 * torch.log10(error)).mean())
    return out


def code_usage(tokens: torch.Tensor, codewords: int) -> torch.Tensor:
    """Perplexity of each token position over a batch: int64 N x T -> float32 T, at most min(N, codewords)."""
    out = torch.empty(tokens.shape[1])
    for position, column in enumerate(tokens.T):
        share = torch.bincount(column, minlength=codewords).float() / len(column)
        out[position] = torch.special.entr(share).sum().exp()
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
        self.trainer = CascadeTrainer(pictures, config, training)
        self.seconds = 0.0

    def save(self) -> None:
        """Write the checkpoint."""
        self.journal.save(self.trainer.tensors, self.trainer.step, self.seconds)

    def load(self) -> bool:
        """Continue from the checkpoint, if there is one."""
        found = self.journal.load()
        if found is None:
            return False
        self.trainer.tensors, self.trainer.step, self.seconds = found
        return True

    def validate(self) -> None:
        """Log the mean PSNR by token count of every validation set."""
        for name, tiles in self.valid.items():
            psnr = {count: round(value, 2) for count, value in psnr_by_tokens(self.trainer.tokenizer(), tiles).items()}
            self.journal.record(step=self.trainer.step, seconds=round(self.seconds), valid=name, psnr=psnr)

    def train(self, save_every: float = 180.0) -> None:
        """Go to the configured number of steps; checkpoint and validate every `save_every` seconds and at the end."""
        begun = time.monotonic()
        if not self.load():
            self.trainer.initialise()
        before = self.seconds
        saved = logged = begun
        errors: list[float] = []
        while self.trainer.step < self.training.steps:
            errors.append(self.trainer.train_step())
            now = time.monotonic()
            self.seconds = before + now - begun
            if len(errors) == 10:
                rate = 2 * self.training.crops * len(errors) / (now - logged)
                error = float(np.mean(errors))
                self.journal.record(step=self.trainer.step, squared_error=round(error, 2), tiles_per_second=round(rate))
                errors, logged = [], now
            if now - saved > save_every:
                self.save()
                self.validate()
                saved = now
        self.save()
        self.validate()

    def finish(self, licence: str, tiles: int = 40000) -> None:
        """Fit the entropy tables on fresh training crops and write the model's folder."""
        tensors = pack_tensors(self.config, self.trainer.tensors)
        tokenizer = CascadeTokenizer(self.config, tensors)
        rounds = range(-(-tiles // 1000))
        tokens = torch.cat([tokenizer.quantise(self.trainer.sample(TABLE_STEP + part, 500)) for part in rounds])
        tables = FrequencyTables.fit(tokens.numpy(), (self.config.codewords,), self.config.n_tokens)
        self.journal.record(
            usage=[round(float(perplexity)) for perplexity in code_usage(tokens, self.config.codewords)]
        )
        write_model(
            self.out,
            name=self.out.name,
            family="cascade",
            tables=tables,
            tensors={f"decoder.{key}": value.numpy() for key, value in tensors.items()},
            hashed=["decoder."],
            ordered=True,
            default_tokens=min(64, self.config.n_tokens),
            licence=licence,
            description="Cascade of vector quantisers over DCT coefficients",
            overwrite=True,
        )
