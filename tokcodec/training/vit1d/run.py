"""The training run of a 1D tokenizer: steps, validation by tokens kept, checkpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ...errors import ModelFileError, TrainingError
from ...ratecontrol.lpips import LPIPS
from ...tokenizers.vit1d.modules import Layout, Vit1dNet
from ..averages import averaged_model
from ..data import load_validation
from ..features import Classifier
from ..fit import TrainingRun
from .adversary import Discriminator, adaptive_weight, hinge
from .codes import Codes
from .forward import Forward, Passed
from .loss import Loss1d, semantic_distance, semantic_features
from .ranks import Ranks, SharedJournal
from .report import counts_of, draw_plot, save_pictures
from .samples import Samples
from .settings import LEAST_USE, Size, Training1d
from .standard import standardise
from .start import initialise
from .tail_drop import kept_tokens

MOST_VALID = 100
"""Tiles of a validation set that are used."""
SHOWN = 6
"""Tiles of the first validation set in the pictures."""
BETAS = 0.9, 0.99
DECAY = 0.01
"""Weight decay of matrices. Biases, norms, positions and latents have none."""


class Run1d(TrainingRun):
    """The training run of a 1D tokenizer.

    Args:
        sources: folders, tar archives or Parquet files of training photographs.
        valid: the same of validation photographs, which are never trained on.
        out: folder of the model. The state of the run is in OUT.training.
        size: sizes of the tokenizer.
        training: settings.
        ranks: this process.
        lpips: LPIPS for the loss and the figures. None: neither has it.

    Raises:
        PictureError: there are too few usable photographs.
        FileNotFoundError: a source is missing.
        MissingPackageError: a classifier's package is not installed.
        ValueError: sizes or settings do not fit together.
    """

    def __init__(
        self,
        sources: Sequence[Path],
        valid: Sequence[Path],
        out: Path,
        size: Size,
        training: Training1d,
        ranks: Ranks,
        lpips: LPIPS | None = None,
    ) -> None:
        if (training.feature or training.semantic) and not training.classifiers:
            raise ValueError("features are compared with those of classifiers, but none is named")
        self.out, self.size, self.training, self.ranks = out, size, training, ranks
        self.valid, seen = load_validation(valid, size.tile)
        self.samples = Samples(sources, seen, size.tile, training, ranks)
        super().__init__(SharedJournal(out.with_name(out.name + ".training"), ranks))
        self.journal: SharedJournal
        self.lpips = lpips
        self.classifiers = [Classifier(name).to(ranks.device) for name in training.classifiers]
        self.loss = Loss1d(training, lpips, self.classifiers)
        # All processes start with the weights of one seed.
        torch.manual_seed(training.seed)
        layout = layout_of_size(size, training.padding)
        net = Vit1dNet(layout)
        grid = size.tile // size.patch
        channels = 0
        if training.semantic:
            blank = torch.zeros(1, 3, size.tile, size.tile, device=ranks.device)
            channels = semantic_features(self.classifiers[0], blank, grid).shape[2]
        self.forward = Forward(net, precision_of(training, ranks.device), channels)
        initialise(self.forward)
        net.quantize.requires_grad_(False)  # the codes are moving sums
        self.forward.to(ranks.device)
        self.codes = Codes(net.quantize, layout.n_tokens, training, ranks)
        self.averaged = averaged_model(net, training.average)
        self.optimiser = torch.optim.AdamW(_groups(self.forward), lr=training.rate, betas=BETAS, fused=True)
        compiled = ranks.device.type == "cuda" if training.compiled is None else training.compiled
        if compiled:
            torch._dynamo.config.suppress_errors = True  # what cannot be compiled runs as it is
            self.forward.compile()
        self._wrapped = ranks.wrap(self.forward)
        self.discriminator = Discriminator().to(ranks.device) if training.adversary else None
        if self.discriminator is not None:
            self._judge = ranks.wrap(self.discriminator)
            self.optimiser_d = torch.optim.AdamW(
                self.discriminator.parameters(), lr=training.rate, betas=(0.5, 0.9), fused=True
            )
        self.step = 0

    @property
    def net(self) -> Vit1dNet:
        """The networks in training."""
        return self.forward.net

    # -- a step ------

    def rate(self) -> float:
        """The learning rate of this step: it rises from 0, then falls as a cosine to a fiftieth."""
        training = self.training
        warm = min(1, (self.step + 1) / max(1, training.warm_up))
        return training.rate * warm * (0.02 + 0.98 * math.cos(math.pi / 2 * min(1, self.step / training.steps)) ** 2)

    def train_step(self) -> dict[str, float]:
        """Do one step, and return the parts of the loss, the figures of the codes, and the learning rate.

        Raises TrainingError if too few codes were used.
        """
        training, samples, step = self.training, self.samples, self.step
        rate = self.rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        tiles = samples.tiles(step)
        kept = kept_tokens(training, self.size.n_tokens, step, samples.places, samples.batch).to(tiles.device)
        share = kept / self.size.n_tokens
        hardness = min(1.0, step / max(1, training.soft))
        passed: Passed = self._wrapped(tiles, kept, torch.tensor(hardness, device=tiles.device))
        loss, parts = self.loss(passed.drawn, tiles, share, step)
        adversarial = self.adversarial(loss, passed.drawn, parts)
        parts["commitment"] = F.mse_loss(passed.represented, passed.codes)
        loss = loss + training.commitment * hardness * parts["commitment"]
        if passed.aligned is not None:
            wanted = semantic_features(self.classifiers[0], tiles, self.size.tile // self.size.patch)
            parts["semantic"] = semantic_distance(passed.aligned, wanted, share)
            loss = loss + training.semantic * parts["semantic"]
        self.optimiser.zero_grad(set_to_none=True)
        (loss + adversarial).backward()
        nn.utils.clip_grad_norm_(self.forward.parameters(), training.clip)
        self.optimiser.step()
        self.train_discriminator(tiles, passed.drawn.detach(), rate, parts)
        standardise(self.net.encoder, passed.encoded, step, self.ranks)
        self.codes.update(passed.represented.detach(), passed.tokens, step)
        self.averaged.update_parameters(self.net)
        self.step += 1
        self.check_use()
        figures = {name: value.item() for name, value in parts.items()}
        return figures | {"use": self.codes.use, "bits": self.codes.bits, "rate": rate}

    def adversarial(
        self, loss: torch.Tensor, drawn: torch.Tensor, parts: dict[str, torch.Tensor]
    ) -> torch.Tensor | float:
        """The weighted adversarial loss of this step, 0 before the discriminator starts.

        Args:
            loss: the other losses, a scalar.
            drawn: what the network draws.
            parts: get the score of what is drawn.
        """
        if self.discriminator is None or self.step < self.training.adversary_from:
            return 0.0
        self.discriminator.requires_grad_(False)
        parts["adversarial"] = -self.discriminator(drawn).mean()
        self.discriminator.requires_grad_(True)
        weight = adaptive_weight(loss, parts["adversarial"], self.net.decoder.head.last.weight, self.ranks)
        return self.training.adversary * weight * parts["adversarial"]

    def train_discriminator(
        self, tiles: torch.Tensor, drawn: torch.Tensor, rate: float, parts: dict[str, torch.Tensor]
    ) -> None:
        """Do one step of the discriminator, once it has started.

        Args:
            tiles: the originals.
            drawn: what the network drew, without gradient.
            rate: learning rate.
            parts: get the loss.
        """
        if self.discriminator is None or self.step < self.training.adversary_from:
            return
        for group in self.optimiser_d.param_groups:
            group["lr"] = rate
        parts["discriminator"] = hinge(self._judge(torch.cat([tiles, drawn])))
        self.optimiser_d.zero_grad(set_to_none=True)
        parts["discriminator"].backward()
        self.optimiser_d.step()

    def check_use(self) -> None:
        """Raise TrainingError if the last whole window used too few codes, or the same for all tiles.

        The checkpoint before is kept.
        """
        training, codes = self.training, self.codes
        if self.step % training.window or self.step < training.patience:
            return
        if min(codes.use, codes.bits / codes.most_bits) >= LEAST_USE:
            return
        raise TrainingError(
            f"{self.journal.folder}: the codebook has collapsed: the last {training.window} of {self.step} steps used "
            f"{codes.use:.1%} of its {len(codes.counts)} codes, and {codes.bits:.2f} of {codes.most_bits:.1f} bits "
            f"tell tiles apart, but {LEAST_USE:.0%} of both are needed; "
            "try a smaller --codebook, --fsq or a lower --rate; the last checkpoint is kept"
        )

    # -- the run ------

    def train(self, save_every: float = 600.0, log_every: int = 50) -> None:
        """Resume, and train to the end.

        Args:
            save_every: seconds between checkpoints with validations; there is one at the end, too.
            log_every: steps between lines of the log.
        """
        self.resume()
        self.fit(self, self.training.steps, self.samples.batch, save_every=save_every, log_every=log_every)

    def averaged_net(self) -> Vit1dNet:
        """The networks with the averaged weights."""
        net: Vit1dNet = self.averaged.module.eval()  # type: ignore[assignment]
        return net

    @torch.inference_mode()
    def validate(self) -> None:
        """Log PSNR and LPIPS by tokens kept and the use of the codes, and write pictures and a plot.

        `use` is the share of the codes that occur, `distinct` the number of codes at one place, divided by the tiles.
        """
        if not self.ranks.first or not self.valid:
            return
        net, shown = self.averaged_net(), True
        for name, everything in self.valid.items():
            tiles = everything[:MOST_VALID].to(self.ranks.device)
            tokens = torch.cat([net.encode(part) for part in tiles.split(self.training.batch)])
            counts = counts_of(self.size.n_tokens) if self.training.tail_drop != "none" else [self.size.n_tokens]
            psnr, lpips, pictures = {}, {}, [tiles[:SHOWN]]
            for count in counts:
                drawn = torch.cat([net.decode(part[:, :count]) for part in tokens.split(self.training.batch)])
                drawn = drawn.clamp(0, 1)
                error = (drawn - tiles).square().mean((1, 2, 3))
                psnr[count] = round(float((-10 * error.log10()).mean()), 2)
                if self.lpips is not None:
                    parts = zip(drawn.split(8), tiles.split(8), strict=True)
                    lpips[count] = round(float(torch.cat([self.lpips(*pair) for pair in parts]).mean()), 4)
                pictures.append(drawn[:SHOWN])
            figures: dict[str, Any] = {"psnr": psnr} | ({"lpips_squeeze": lpips} if lpips else {})
            most = min(len(self.codes.counts), tokens.numel())
            figures["use"] = round(len(tokens.unique()) / most, 3)
            distinct = [len(column.unique()) for column in tokens.T]
            figures["distinct"] = round(sum(distinct) / tokens.numel(), 3)
            self.journal.record(step=self.step, seconds=round(self.seconds), valid=name, **figures)
            if shown:
                save_pictures(self.journal.folder / f"pictures-{self.step:07d}.png", pictures)
                shown = False
        draw_plot(self.journal.folder / "plot.svg", self.journal.lines())

    def state_dict(self) -> dict[str, Any]:
        """The step, the sizes, and all weights, averages, moving sums and states of optimisers."""
        state = {
            "step": self.step,
            "size": asdict(self.size) | {"padding": self.training.padding},
            "forward": self.forward.state_dict(),
            "averaged": self.averaged.state_dict(),
            "codes": self.codes.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        if self.discriminator is not None:
            state |= {"discriminator": self.discriminator.state_dict(), "optimiser_d": self.optimiser_d.state_dict()}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned. Raises ModelFileError if it is of a run with other sizes."""
        try:
            if state["size"] != asdict(self.size) | {"padding": self.training.padding}:
                raise ValueError("other sizes")
            self.forward.load_state_dict(state["forward"])
            self.averaged.load_state_dict(state["averaged"])
            self.codes.load_state_dict(state["codes"])
            self.optimiser.load_state_dict(state["optimiser"])
            if self.discriminator is not None and "discriminator" in state:
                self.discriminator.load_state_dict(state["discriminator"])
                self.optimiser_d.load_state_dict(state["optimiser_d"])
            self.step = state["step"]
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelFileError(
                f"{self.journal.folder}: its checkpoint is of a tokenizer of other sizes; "
                "use the options of that run, or another --out"
            ) from error


def layout_of_size(size: Size, padding: int = 0) -> Layout:
    """The layout of networks in training, whose tokens include those of the padding."""
    return replace(Layout(**asdict(size)), n_tokens=size.n_tokens + padding)


def precision_of(training: Training1d, device: torch.device) -> torch.dtype:
    """The precision of the transformers."""
    name = training.precision
    if name == "auto":
        name = "bfloat16" if device.type == "cuda" else "float32"
    precision: torch.dtype = getattr(torch, name)
    return precision


def _groups(module: nn.Module) -> list[dict[str, Any]]:
    """Groups of parameters for the optimiser: matrices have weight decay."""
    trained = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    free = [p for name, p in trained if p.ndim < 2 or name.endswith(("positions", "latents"))]
    matrices = [p for name, p in trained if p.ndim >= 2 and not name.endswith(("positions", "latents"))]
    return [{"params": matrices, "weight_decay": DECAY}, {"params": free, "weight_decay": 0.0}]
