"""Training of the looks on top of a finished cascade.

Perceptual: squared error, and the features of image classifiers, two networks in turn, with a little LPIPS (arXiv
1801.03924). They see the whole tile averaged 2 x 2 or a random part of it, mirrored and changed in contrast at random,
so that the network finds no pattern that pleases a metric alone. Light: the same, for a network that is small enough
for a web page. Fidelity: the logarithm of the squared error of each tile, which is PSNR. Tiles are of all scales of
the model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file
from torch.nn import functional as F

from ..models.modelfile import CARD, Model, read_model, write_model
from ..pictures.tiling import TILE
from ..ratecontrol.lpips import LPIPS
from ..tokenizers.cascade import CascadeTokenizer
from ..tokenizers.look import LIGHT, LOOKS, condition, prefix
from ..tokenizers.networks import SIZES, LookNet, LookSize
from .data import crop_pixels
from .features import Classifier, feature_distance
from .journal import Journal, load_optimiser, optimiser_tensors

COUNTS = (16, 64, 128, 256)
"""Token counts of the validation figures."""
MOST_VALID = 24
"""Tiles of a validation set that are used where networks judge them: they take their time."""
LOSS_STAGES, VALID_STAGES = 5, slice(1, 5)
"""Stages of a classifier whose features the loss and the validation figures compare."""


@dataclass(frozen=True)
class LookTraining:
    """How a look is trained: by default the perceptual one."""

    look: str = "perceptual"
    steps: int = 6500
    batch: int = 4
    rate: float = 1e-3
    features: tuple[str, ...] = ("efficientnet-lite0", "efficientnet-lite1")
    """Classifiers whose features are compared, in turn; none for squared error alone."""
    squared: float = 4.3
    """Weight of the squared error."""
    feature: float = 0.75
    """Weight of the features' distance, with all tokens."""
    lpips: float = 0.11
    """Weight of LPIPS, with all tokens."""
    fading: float = 0.5
    """Power of the share of tokens by which the features' weight falls: few are little to draw from."""
    lpips_fading: float = 1.0
    """The same for LPIPS, which has grain drawn where little is known."""
    size: LookSize | None = None
    """Of the network; None: as the one it starts from."""
    part: int = 128
    """Side of what the networks see, in samples."""
    contrast: float = 0.2
    """Largest random change of contrast before it."""
    whole: float = 0.8
    """Share of the steps with tiles of the first scale; the others share the rest."""
    average: float = 0.998
    """Decay of the averaged weights, which are the ones that ship."""
    seed: int = 0


TRAININGS = {
    "perceptual": LookTraining(),
    "fidelity": LookTraining("fidelity", steps=6000, batch=8, features=(), whole=0.45),
    LIGHT: LookTraining(LIGHT, rate=2e-3, size=SIZES["light"]),
}
"""What each look is trained with by default."""


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
        """tokenizer: on a device of torch's; lpips: may be left out where no features are compared.

        Raises ValueError where it may not, MissingPackageError where a classifier's package is missing.
        """
        if lpips is None and training.features:
            raise ValueError("the perceptual look is trained with LPIPS")
        self.tokenizer, self.pictures, self.valid = tokenizer, pictures, valid
        self.training, self.lpips = training, lpips
        self.device = torch.device(tokenizer.device)
        self.classifiers = [Classifier(name).to(self.device) for name in training.features]
        self.journal = Journal(folder, training.look, training.look)
        torch.manual_seed(training.seed)
        # A look starts as the model has it, else as another one: much of what they learn is the same.
        start = next(filter(None, map(tokenizer.weights, (training.look, *LOOKS))), {})
        self.net = self.on_device(starting(tokenizer.scales, start, training.size))
        self.averaged = {name: value.clone() for name, value in self.net.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=training.rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.step, self.seconds = 0, 0.0

    def sample(self, step: int) -> tuple[torch.Tensor, torch.Tensor, list[int], int]:
        """Tiles of a step, their coefficient vectors after random token counts, these counts, and the scale."""
        training = self.training
        rng = np.random.default_rng([training.seed, 11, step])
        others = self.tokenizer.scales - 1
        scale = 0 if others == 0 or rng.random() < training.whole else int(rng.integers(1, others + 1))
        tiles = crop_pixels(self.pictures, training.batch, rng, scale).to(self.device)
        counts = random_counts(len(tiles), self.tokenizer.n_tokens, rng)
        tokens = self.tokenizer.encode(tiles, scale=scale)
        vectors = [self.tokenizer.vectors(row[None, :count], scale) for row, count in zip(tokens, counts, strict=True)]
        return tiles, torch.cat(vectors), counts, scale

    def draw(self, net: LookNet, vectors: torch.Tensor, counts: Sequence[int], scale: int) -> torch.Tensor:
        """What a network makes of vectors: N x 3 x 256 x 256, not clamped."""
        drawn: torch.Tensor = self.tokenizer.draw(net, vectors, condition(counts, scale, self.tokenizer.scales))
        return drawn

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
        tiles, vectors, counts, scale = self.sample(self.step)
        loss, parts = self.loss(self.draw(self.net, vectors, counts, scale), tiles, counts)
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
        self, drawn: torch.Tensor, tiles: torch.Tensor, counts: Sequence[int]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """What the step lowers, and its parts for the log."""
        training = self.training
        squared = (drawn - tiles).square().mean((1, 2, 3))
        if self.lpips is None or not self.classifiers:
            return squared.add(2e-7).log().mean(), {"squared": squared}
        view = self.view(len(tiles), np.random.default_rng([training.seed, 12, self.step]))
        seen, shown = view(tiles), view(drawn)
        classifier = self.classifiers[self.step % len(self.classifiers)]
        feature = feature_distance(classifier.stages(shown, LOSS_STAGES), classifier.stages(seen, LOSS_STAGES))
        lpips = self.lpips(shown, seen)
        share = torch.tensor(counts, device=self.device) / self.tokenizer.n_tokens
        loss = (
            training.squared * squared
            + training.feature * share**training.fading * feature
            + training.lpips * share**training.lpips_fading * lpips
        )
        return loss.mean(), {"squared": squared, "feature": feature, "lpips": lpips}

    def view(self, number: int, rng: np.random.Generator) -> Callable[[torch.Tensor], torch.Tensor]:
        """The whole tile reduced to `part` samples or a random part of so many, mirrored, with a new contrast for each.

        Returns what takes it from N x 3 x 256 x 256: the same of all that are compared.
        """
        part = self.training.part
        reduced, mirror = bool(rng.integers(0, 2)), bool(rng.integers(0, 2))
        top, left = rng.integers(0, TILE + 1 - part, 2)
        gain = rng.uniform(1 - self.training.contrast, 1 + self.training.contrast, (number, 1, 1, 1))
        contrast = torch.tensor(gain, dtype=torch.float32, device=self.device)

        def take(x: torch.Tensor) -> torch.Tensor:
            x = F.avg_pool2d(x, TILE // part) if reduced else x[..., top : top + part, left : left + part]
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

    def on_device(self, net: LookNet) -> LookNet:
        """A network where it is trained."""
        return net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def shipped(self) -> LookNet:
        """The network with the averaged weights."""
        weights = {name: value.float().cpu().numpy() for name, value in self.averaged.items()}
        return self.on_device(LookNet.from_weights(weights)).eval()

    @torch.inference_mode()
    def validate(self) -> None:
        """Log figures of the averaged weights by token count for every validation set, tiles of the first scale.

        PSNR, and for the perceptual look LPIPS, LPIPS at half the scale, and the features' distance by each classifier.
        """
        net = self.shipped()
        for name, everything in self.valid.items():
            valid = everything[:MOST_VALID] if self.classifiers else everything
            tokens = self.tokenizer.encode(valid)
            figures = {}
            for count in (c for c in COUNTS if c <= tokens.shape[1]):
                rows = [
                    self.judge(self.draw(net, self.tokenizer.vectors(row[:, :count], 0), [count], 0).clamp(0, 1), tile)
                    for tile, row in zip(valid.split(1), tokens.split(1), strict=True)
                ]
                figures[count] = [round(float(value), 3) for value in np.mean(rows, 0)]
            self.journal.record(
                step=self.step, seconds=round(self.seconds), valid=name, psnr_lpips_half_features=figures
            )

    def judge(self, drawn: torch.Tensor, tile: torch.Tensor) -> list[float]:
        """The figures of one drawn tile, both float32 1 x 3 x 256 x 256."""
        tile = tile.to(self.device)
        found = [-10 * torch.log10(F.mse_loss(drawn, tile))]
        if self.lpips is not None:
            small, seen = F.avg_pool2d(drawn, 2), F.avg_pool2d(tile, 2)
            found += [self.lpips(drawn, tile), self.lpips(small, seen)]
            for classifier in self.classifiers:
                both = (classifier.stages(x, VALID_STAGES.stop)[VALID_STAGES] for x in (small, seen))
                found.append(feature_distance(*both))
        return [float(value) for value in found]

    def save(self) -> None:
        """Write the checkpoint: weights, averaged weights, and the state of the optimiser."""
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        tensors |= {f"averaged.{name}": value for name, value in self.averaged.items()}
        tensors |= {f"optimiser.{name}": value for name, value in optimiser_tensors(self.optimiser).items()}
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
        self.step, self.seconds = found.step, found.seconds


def starting(scales: int, weights: Mapping[str, npt.NDArray[Any]], size: LookSize | None) -> LookNet:
    """An untrained network of a size (None: that of the weights), with those of the weights that fit it."""
    size = size or (LookNet.size_of(weights) if weights else SIZES["full"])
    net = LookNet(scales, size)
    own = net.state_dict()
    fitting = {name: weight for name, weight in weights.items() if name in own and own[name].shape == weight.shape}
    net.load_state_dict(own | {name: torch.from_numpy(weight.astype(np.float32)) for name, weight in fitting.items()})
    return net


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
        scales=model.scales,
        ordered=model.ordered,
        default_tokens=model.default_tokens,
        licence=model.licence,
        description=model.description,
        card=(folder / CARD).read_text(encoding="utf-8"),
        overwrite=True,
    )
