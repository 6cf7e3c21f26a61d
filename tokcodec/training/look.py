"""Training of the looks on top of a finished cascade.

Perceptual: squared error in [-1, 1] plus LPIPS (arXiv 1801.03924) of a random part of the tile at full scale, and of
another reduced to as many pixels. Parts are turned, mirrored and changed in contrast at random, so that the network
finds no pattern that pleases the metric alone (E-LPIPS, arXiv 1906.03973). A short second training adds an adversary.
Fidelity: the logarithm of the squared error of each tile, which is PSNR.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch.nn import functional as F

from ..models.modelfile import CARD, Model, read_model, write_model
from ..pictures.tiling import TILE
from ..ratecontrol.lpips import LPIPS
from ..tokenizers.cascade import CascadeTokenizer
from ..tokenizers.look import LookNet, prefix
from .adversary import Adversary
from .data import crop_pixels
from .journal import Journal, load_optimiser, optimiser_tensors

COUNTS = (16, 64, 128, 256)
"""Token counts of the validation figures."""
MOST_VALID = 24
"""Tiles of a validation set that are used: LPIPS takes its time."""


@dataclass(frozen=True)
class LookTraining:
    """How a look is trained: by default the perceptual one."""

    look: str = "perceptual"
    steps: int = 2400
    batch: int = 8
    rate: float = 1.5e-3
    perceptual: float = 0.3
    """Weight of the mean of both LPIPS against the squared error, with all tokens."""
    fading: float = 0.5
    """Power of the share of tokens by which it falls: few are little to draw from, and LPIPS would invent texture."""
    part: int = 128
    """Side of what LPIPS sees, in samples."""
    contrast: float = 0.3
    """Largest random change of contrast before LPIPS."""
    adversarial: float = 0.0
    """Weight of the adversary's score, with all tokens; it rises from 0 in the first fifth of the steps, and fades as
    that of LPIPS."""
    average: float = 0.998
    """Decay of the averaged weights, which are the ones that ship."""
    seed: int = 0


ADVERSARIAL = LookTraining(steps=240, rate=6e-4, adversarial=0.03)
"""The perceptual look's second training; more of it sharpens further and LPIPS gets worse."""
FIDELITY = LookTraining("fidelity", steps=3000, perceptual=0.0)


def random_counts(number: int, most: int, rng: np.random.Generator) -> list[int]:
    """Token counts for tail drop: a quarter full, half log-uniform, the others uniform."""
    kinds = rng.random(number)
    uniform = rng.integers(1, most + 1, number)
    logarithmic = np.exp(rng.random(number) * math.log(most + 1)).astype(int).clip(1, most)
    return [int(v) for v in np.where(kinds < 0.25, most, np.where(kinds < 0.75, logarithmic, uniform))]


def halved(x: torch.Tensor) -> torch.Tensor:
    """Averaged 2 x 2."""
    return F.avg_pool2d(x, 2)


class LookRun:
    """One run; its state lies in a folder, and a second run there continues the first."""

    def __init__(
        self,
        tokenizer: CascadeTokenizer,
        pictures: Sequence[torch.Tensor],
        valid: Mapping[str, torch.Tensor],
        folder: Path,
        training: LookTraining,
        lpips: LPIPS | None = None,
    ) -> None:
        """lpips: may be left out for the fidelity look. Raises ValueError where it may not."""
        if lpips is None and training.perceptual > 0:
            raise ValueError("the perceptual look is trained with LPIPS")
        self.tokenizer, self.pictures, self.valid = tokenizer, pictures, valid
        self.training, self.lpips = training, lpips
        self.device = tokenizer.device
        name = training.look + ("-adversarial" if training.adversarial else "")
        self.journal = Journal(folder, name, name)
        torch.manual_seed(training.seed)
        # A look starts as the model has it, else as the other one: much of what they learn is the same.
        start = tokenizer.nets.get(training.look) or next(iter(tokenizer.nets.values()), None)
        self.net = self.network(start.state_dict() if start is not None else None).requires_grad_(True)
        self.averaged = {name: value.clone() for name, value in self.net.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=training.rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.adversary = Adversary(self.device) if training.adversarial else None
        self.step, self.seconds = 0, 0.0

    def sample(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Tiles of a step, their coefficient vectors after random token counts, and these counts."""
        rng = np.random.default_rng([self.training.seed, 11, step])
        tiles = crop_pixels(self.pictures, self.training.batch, rng).to(self.device)
        counts = random_counts(len(tiles), self.tokenizer.n_tokens, rng)
        tokens = self.tokenizer.encode(tiles)
        vectors = torch.cat([self.tokenizer.vectors(tokens[i : i + 1, :count]) for i, count in enumerate(counts)])
        return tiles, vectors, torch.tensor(counts, device=self.device)

    def train_step(self) -> dict[str, float]:
        """One optimiser step; returns the parts of the loss."""
        training = self.training
        rate = (
            training.rate
            * min(1, (self.step + 1) / 100)
            * (0.02 + 0.98 * math.cos(math.pi / 2 * self.step / training.steps) ** 2)
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        tiles, vectors, counts = self.sample(self.step)
        drawn = self.tokenizer.draw(self.net, vectors, counts)
        loss, parts = self.loss(drawn, tiles, vectors, counts)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
        self.optimiser.step()
        decay = min(training.average, (1 + self.step) / (10 + self.step))
        for name, value in self.net.state_dict().items():
            self.averaged[name].lerp_(value, 1 - decay)
        self.step += 1
        return {name: value.mean().item() for name, value in parts.items()} | {"rate": rate}

    def loss(
        self, drawn: torch.Tensor, tiles: torch.Tensor, vectors: torch.Tensor, counts: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """What the step lowers, and its parts for the log. The adversary learns here."""
        training = self.training
        squared = 4 * (drawn - tiles).square().mean((1, 2, 3))
        if self.lpips is None or training.perceptual == 0:
            return squared.add(1e-6).log().mean(), {"squared": squared}
        rng = np.random.default_rng([training.seed, 12, self.step])
        part, reduced = (self.view(len(tiles), side, rng) for side in (training.part, self.side(rng)))
        full, small = (self.lpips(view(drawn), view(tiles)) for view in (part, reduced))
        fade = (counts / self.tokenizer.n_tokens) ** training.fading
        loss = squared + training.perceptual * fade * (full + small) / 2
        parts = {"squared": squared, "lpips": full, "lpips_reduced": small}
        if self.adversary is not None:
            top, left = rng.integers(0, TILE + 1 - training.part, 2)
            sums = self.tokenizer.transform.inverse(vectors)
            seen, shown, given = (
                x[..., top : top + training.part, left : left + training.part] for x in (tiles, drawn, sums)
            )
            parts["adversary"] = self.adversary.learn(seen, shown.detach().clamp(0, 1), given, fade)
            parts["realness"] = realness = self.adversary.realness(shown, given)
            loss = loss - training.adversarial * min(1, 5 * self.step / training.steps) * fade * realness
        return loss.mean(), parts

    def side(self, rng: np.random.Generator) -> int:
        """Of the part that LPIPS sees reduced: every other time the whole tile, else something smaller."""
        return TILE if rng.random() < 0.5 else int(rng.integers(self.training.part, TILE + 1))

    def view(self, number: int, side: int, rng: np.random.Generator) -> Callable[[torch.Tensor], torch.Tensor]:
        """A random part of `side` samples, reduced to `part`, turned, mirrored and with new contrast for each tile.

        Returns what takes it from N x 3 x 256 x 256: the same part of all that are compared.
        """
        part = self.training.part
        top, left = rng.integers(0, TILE + 1 - side, 2)
        turns, mirror = int(rng.integers(0, 4)), bool(rng.integers(0, 2))
        gain = rng.uniform(1 - self.training.contrast, 1 + self.training.contrast, (number, 1, 1, 1))
        contrast = torch.tensor(gain, dtype=torch.float32, device=self.device)

        def take(x: torch.Tensor) -> torch.Tensor:
            x = x[..., top : top + side, left : left + side]
            if side > part:
                x = F.interpolate(x, size=(part, part), mode="bilinear", antialias=True)
            x = x.rot90(turns, (2, 3))
            return 0.5 + contrast * ((x.flip(3) if mirror else x) - 0.5)

        return take

    def train(self, save_every: float = 480.0) -> None:
        """Go to the configured number of steps; checkpoint and validate every `save_every` seconds and at the end."""
        begun = time.monotonic()
        self.load()
        before, saved, logged = self.seconds, begun, begun
        parts: list[dict[str, float]] = []
        while self.step < self.training.steps:
            parts.append(self.train_step())
            now = time.monotonic()
            self.seconds = before + now - begun
            if len(parts) == 50:
                means = {name: round(float(np.mean([part[name] for part in parts])), 5) for name in parts[0]}
                self.journal.record(
                    step=self.step,
                    tiles_per_second=round(self.training.batch * len(parts) / (now - logged), 1),
                    **means,
                )
                parts, logged = [], now
            if now - saved > save_every:
                self.save()
                self.validate()
                saved = time.monotonic()
        self.save()
        self.validate()

    def network(self, state: Mapping[str, torch.Tensor] | None) -> LookNet:
        """A network with these weights, or new ones."""
        net = LookNet()
        if state is not None:
            net.load_state_dict(state)
        return net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def shipped(self) -> LookNet:
        """The network with the averaged weights."""
        return self.network(self.averaged).eval()

    @torch.inference_mode()
    def validate(self) -> None:
        """Log PSNR (and LPIPS at both scales) of the averaged weights, by token count, for every validation set."""
        net = self.shipped()
        for name, everything in self.valid.items():
            valid = everything if self.lpips is None else everything[:MOST_VALID]
            tokens = self.tokenizer.encode(valid)
            figures = {}
            for count in (c for c in COUNTS if c <= tokens.shape[1]):
                sums = np.zeros(1 if self.lpips is None else 3)
                for tiles, row in zip(valid.split(1), tokens.split(1), strict=True):
                    counts = torch.full((1,), count, device=self.device)
                    drawn = self.tokenizer.draw(net, self.tokenizer.vectors(row[:, :count]), counts).clamp(0, 1)
                    found = [-10 * torch.log10(F.mse_loss(drawn, tiles))]
                    if self.lpips is not None:
                        found += [self.lpips(drawn, tiles), self.lpips(halved(drawn), halved(tiles))]
                    sums += [float(value) for value in found]
                figures[count] = [round(float(value), 3) for value in sums / len(tokens)]
            self.journal.record(step=self.step, seconds=round(self.seconds), valid=name, psnr_lpips_half=figures)

    def save(self) -> None:
        """Write the checkpoint: weights, averaged weights, and the states of the optimiser and of the adversary."""
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        tensors |= {f"averaged.{name}": value for name, value in self.averaged.items()}
        tensors |= {f"optimiser.{name}": value for name, value in optimiser_tensors(self.optimiser).items()}
        if self.adversary is not None:
            tensors |= {f"adversary.{name}": value for name, value in self.adversary.tensors().items()}
        self.journal.save(tensors, self.step, self.seconds)

    def load(self) -> None:
        """Continue from the checkpoint, if there is one."""
        found = self.journal.load()
        if found is None:
            return
        parts: dict[str, dict[str, torch.Tensor]] = {}
        for name, tensor in found.tensors.items():
            part, key = name.split(".", 1)
            parts.setdefault(part, {})[key] = tensor
        self.net.load_state_dict(parts["net"])
        self.averaged = {name: tensor.to(self.device) for name, tensor in parts["averaged"].items()}
        load_optimiser(self.optimiser, parts.get("optimiser", {}))
        if self.adversary is not None and "adversary" in parts:
            self.adversary.load(parts["adversary"])
        self.step, self.seconds = found.step, found.seconds


def install_look(folder: Path, look: str, net: LookNet) -> Model:
    """Put a look's network into a model's folder, as float16. Its hash stays: files decode to the same tokens."""
    model, start = read_model(folder), prefix(look)
    tensors = {name: tensor for name, tensor in load_file(model.weights_path).items() if not name.startswith(start)}
    tensors |= {start + name: tensor.half().cpu().numpy() for name, tensor in net.state_dict().items()}
    return write_model(
        folder,
        name=model.name,
        family=model.family,
        tables=model.tables,
        tensors=tensors,
        hashed=model.hashed,
        ordered=model.ordered,
        default_tokens=model.default_tokens,
        licence=model.licence,
        description=model.description,
        card=(folder / CARD).read_text(encoding="utf-8"),
        overwrite=True,
    )
