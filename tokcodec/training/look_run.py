"""The training run of a look on top of a finished cascade, on tiles of all scales of the model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import ModelFileError, reason
from ..models.manifest import CARD
from ..models.modelfile import Model, read_model
from ..models.rewriting import rewrite_model
from ..models.weights import MAX_FILE_BYTES, load_weights
from ..ratecontrol.lpips import LPIPS
from ..regularfile import read_regular
from ..search.refine import ROUNDS, TUNES, refine
from ..tokenizers import torch_device
from ..tokenizers.cascade import CascadeTokenizer, load, small_picture
from ..tokenizers.look import LOOKS, condition, prefix, quantised
from ..tokenizers.networks import SIZES, LookNet, LookSize
from .averages import averaged_model
from .borders import AXES, MIDDLE, crop_pairs, few_counts, joined, parts
from .data import crop_pixels, load_pictures, load_validation
from .fit import TrainingRun
from .journal import Journal
from .look_loss import LookLoss
from .settings import LookTraining

COUNTS = (16, 64, 128, 256)
"""Token counts of the validation figures."""
REFINED_EFFORT = 3
"""Effort of the tokens that are searched for a look in its training: more rounds would take most of the time."""
MOST_VALID = 24
"""Tiles of a validation set that are used where networks judge them, which is slow."""


def random_counts(number: int, most: int, rng: np.random.Generator) -> list[int]:
    """Token counts for tail drop: a quarter full, half log-uniform, the others uniform."""
    kinds = rng.random(number)
    uniform = rng.integers(1, most + 1, number)
    logarithmic = np.exp(rng.random(number) * math.log(most + 1)).astype(int).clip(1, most)
    return [int(v) for v in np.where(kinds < 0.25, most, np.where(kinds < 0.75, logarithmic, uniform))]


class LookRun(TrainingRun):
    """The training run of one look.

    Args:
        tokenizer: the finished cascade, on a device of torch.
        pictures: training pictures, uint8 3 x H x W each.
        valid: validation tiles by the name of their set, float32 N x 3 x 256 x 256 in [0, 1].
        folder: folder of the log and the checkpoint, which are named by the look.
        training: settings.
        lpips: needed if features are compared.

    Raises:
        ValueError: `lpips` is needed and not given.
        MissingPackageError: a classifier's package is not installed.
    """

    def __init__(
        self,
        tokenizer: CascadeTokenizer,
        pictures: Sequence[torch.Tensor],
        valid: Mapping[str, torch.Tensor],
        folder: Path,
        training: LookTraining,
        lpips: LPIPS | None = None,
    ) -> None:
        self.tokenizer, self.pictures, self.valid, self.training = tokenizer, pictures, valid, training
        self.device = torch.device(tokenizer.device)
        self.loss = LookLoss(training, lpips, self.device, tokenizer.error_weights)
        super().__init__(Journal(folder, training.look, training.look))
        torch.manual_seed(training.seed)
        # A new look starts with the weights of another one, which has learned much of the same.
        start = next(filter(None, map(tokenizer.weights, (training.look, *LOOKS))), {})
        net = starting(tokenizer.scales, start, SIZES[training.size] if training.size else None)
        self.net: LookNet = net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = averaged_model(self.net, training.average)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=training.rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.step = 0

    def border(self, step: int) -> tuple[int, int] | None:
        """The axis along which the tiles of a step are neighbours, and the start of what the loss sees of each pair.

        None for a step with single tiles.
        """
        rng = np.random.default_rng([self.training.seed, 13, step])
        if rng.random() >= self.training.borders:
            return None
        return int(rng.choice(AXES)), int(rng.integers(0, MIDDLE + 1))

    def sample(self, step: int) -> tuple[torch.Tensor, torch.Tensor, list[int], int]:
        """Tiles of a step, their coefficient vectors after random token counts, these counts, and the scale."""
        training, border = self.training, self.border(step)
        rng = np.random.default_rng([training.seed, 11, step])
        others = self.tokenizer.scales - 1
        scale = 0 if others == 0 or rng.random() < training.whole else int(rng.integers(1, others + 1))
        if border is None:
            tiles = crop_pixels(self.pictures, training.batch, rng, scale)
            counts = random_counts(len(tiles), self.tokenizer.n_tokens, rng)
        else:
            tiles = crop_pairs(self.pictures, max(1, training.batch // 2), rng, border[0], scale)
            counts = 2 * few_counts(len(tiles) // 2, self.tokenizer.n_tokens, rng)
        tiles = tiles.to(self.device)
        tokens = self.tokens(step, tiles, counts, scale)
        vectors = [self.tokenizer.vectors(row[None, :count], scale) for row, count in zip(tokens, counts, strict=True)]
        return tiles, torch.cat(vectors), counts, scale

    def tokens(self, step: int, tiles: torch.Tensor, counts: Sequence[int], scale: int) -> torch.Tensor:
        """Tokens of tiles, int64 N x T. In a share of the steps they are searched for the look, as it was at first.

        Args:
            step: number of the step.
            tiles: float32 N x 3 x 256 x 256 in [0, 1].
            counts: tokens that each tile will have.
            scale: scale of the tiles.
        """
        tokens: torch.Tensor = self.tokenizer.encode(tiles, scale=scale)
        if np.random.default_rng([self.training.seed, 14, step]).random() >= self.training.refined:
            return tokens
        tune, rounds = TUNES[self.training.look], ROUNDS[REFINED_EFFORT]
        arrays = tiles.cpu().numpy(), tokens.cpu().numpy(), np.array(counts)
        found, _ = refine(self.tokenizer, *arrays, rounds=rounds, tune=tune, scale=scale)
        return torch.from_numpy(found).to(self.device)

    def draw(self, net: LookNet, vectors: torch.Tensor, counts: Sequence[int], scale: int) -> torch.Tensor:
        """Draw tiles by a network.

        Args:
            net: the network.
            vectors: coefficients, float32 N x D.
            counts: tokens that each vector was decoded from.
            scale: scale of the tiles.

        Returns:
            float32 N x 3 x 256 x 256, not clamped.
        """
        transform, conditions = self.tokenizer.drawing, condition(counts, scale, self.tokenizer.scales)
        # The coefficients stay float32: a picture in bfloat16 would have visible steps.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=net.training and self.training.bfloat16):
            added: torch.Tensor = net(small_picture(transform, vectors), conditions)
        drawn: torch.Tensor = added + transform.inverse(vectors)
        return drawn

    def train_step(self) -> dict[str, float]:
        """Do one step of the optimiser, and return the parts of the loss and the learning rate."""
        training = self.training
        warm_up = min(1, (self.step + 1) / 100)
        rate = training.rate * warm_up * (0.02 + 0.98 * math.cos(math.pi / 2 * self.step / training.steps) ** 2)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        tiles, vectors, counts, scale = self.sample(self.step)
        shares = [count / self.tokenizer.n_tokens for count in counts]
        drawn = self.draw(self.net, vectors, counts, scale)
        if border := self.border(self.step):
            drawn, tiles = (parts(joined(pairs, border[0]), *border) for pairs in (drawn, tiles))
        loss, figures = self.loss(drawn, tiles, shares, self.step)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
        self.optimiser.step()
        self.averaged.update_parameters(self.net)
        self.step += 1
        return {name: value.mean().item() for name, value in figures.items()} | {"rate": rate}

    def train(self, save_every: float = 480.0) -> None:
        """Resume, and train to the end. Saves and validates every `save_every` seconds and at the end."""
        self.resume()
        self.fit(self, self.training.steps, self.training.batch, save_every=save_every, log_every=50)

    def shipped(self) -> LookNet:
        """The network with the averaged weights."""
        net: LookNet = self.averaged.module.eval()  # type: ignore[assignment]
        return net

    @torch.no_grad()
    def validate(self) -> None:
        """Log figures of the averaged weights by token count for every validation set, tiles of the first scale."""
        net = self.shipped()
        for name, everything in self.valid.items():
            valid = everything[:MOST_VALID] if self.loss.classifiers else everything
            tokens = self.tokenizer.encode(valid)
            figures = {}
            for count in (c for c in COUNTS if c <= tokens.shape[1]):
                rows = []
                for tile, row in zip(valid.split(1), tokens.split(1), strict=True):
                    drawn = self.draw(net, self.tokenizer.vectors(row[:, :count], 0), [count], 0).clamp(0, 1)
                    rows.append(self.loss.judge(drawn, tile.to(self.device)))
                figures[count] = [round(float(value), 3) for value in np.mean(rows, 0)]
            self.journal.record(
                step=self.step, seconds=round(self.seconds), valid=name, psnr_lpips_half_features=figures
            )

    def state_dict(self) -> dict[str, Any]:
        """The step, the weights, their averages, and the state of the optimiser."""
        return {
            "step": self.step,
            "net": self.net.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.net.load_state_dict(state["net"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]


def starting(scales: int, weights: Mapping[str, NDArray[Any]], size: LookSize | None) -> LookNet:
    """An untrained network, which takes over the weights that fit it.

    Args:
        scales: sets of codewords of the model.
        weights: weights of another network by their names; may be empty.
        size: size of the network. None: that of the weights, or the full one.
    """
    size = size or (LookNet.size_of(weights) if weights else SIZES["full"])
    net = LookNet(scales, size)
    own = net.state_dict()
    fitting = {name: weight for name, weight in weights.items() if name in own and own[name].shape == weight.shape}
    net.load_state_dict(own | {name: torch.from_numpy(weight.astype(np.float32)) for name, weight in fitting.items()})
    return net


def install_look(folder: Path, look: str, net: LookNet) -> Model:
    """Put a look's network into a model's folder, with weights of 8 bits. The hash stays: files have the same tokens.

    Args:
        folder: folder of the model.
        look: name of the look, which is replaced if the model has it.
        net: its network.

    Raises:
        ModelFileError: a file of the model cannot be read.
    """
    model, start = read_model(folder), prefix(look)
    tensors = {name: tensor for name, tensor in load_weights(model.weights_path).items() if not name.startswith(start)}
    for name, tensor in net.state_dict().items():
        tensors |= {start + part: array for part, array in quantised(name, tensor.float().cpu().numpy()).items()}
    try:
        card = read_regular(folder / CARD, MAX_FILE_BYTES).decode()
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{folder / CARD}: cannot be read ({reason(error)})") from error
    return rewrite_model(model, folder, tensors=tensors, card=card, overwrite=True)


def train_look(
    folder: Path,
    sources: Sequence[Path],
    valid: Sequence[Path],
    training: LookTraining,
    device: str = "auto",
    lpips_weights: Path | None = None,
) -> Model:
    """Train a look of a model, or resume its training, and put it into the model's folder.

    Args:
        folder: folder of a finished model. The state of the run is in FOLDER.training.
        sources: folders or tar archives of training pictures.
        valid: folders or tar archives of validation pictures, which are never trained on.
        training: settings.
        device: auto, cpu, cuda or cuda:N.
        lpips_weights: file with the weights of LPIPS. None: see `lpips.load_weights`.

    Raises:
        TokError: the model, its files, or the pictures are unfit, or a package or a device is missing.
        WeightsMissingError: there are no weights of LPIPS.
    """
    place, model = torch_device(device), read_model(folder)
    model.verify()
    if model.family != "cascade":
        raise ModelFileError(f"{folder}: only our own models have looks to train, not those of family {model.family!r}")
    tokenizer = load(model, place, torch.float32)
    lpips = LPIPS("squeeze", lpips_weights).to(place) if training.features else None
    held_out, seen = load_validation(valid)
    state = folder.with_name(folder.name + ".training")
    run = LookRun(tokenizer, load_pictures(sources, seen), held_out, state, training, lpips)
    run.train()
    return install_look(folder, training.look, run.shipped())
