"""The adversary of the perceptual look's second training: a network that learns to tell photographs from drawn tiles.

It judges small patches (PatchGAN, arXiv 1611.07004) and sees the bare sum of codewords beside them, so that it knows
how much there is to draw from. Hinge loss (arXiv 1705.02894) and spectral normalisation (arXiv 1802.05957).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from .journal import load_optimiser, optimiser_tensors


class PatchNet(nn.Module):
    """Scores patches of 38 x 38 samples, one every 8 samples: the higher, the more like a photograph."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((6, *widths), widths, strict=False):
            layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 3, 1, 1)))

    def forward(self, pictures: torch.Tensor, sums: torch.Tensor) -> torch.Tensor:
        """Pictures and the bare sums they go with, both float32 N x 3 x H x W in about [0, 1] -> N x 1 x H/8 x W/8."""
        x = torch.cat([pictures, sums], 1) * 2 - 1
        scores: torch.Tensor = self.layers(x.contiguous(memory_format=torch.channels_last))
        return scores


class Adversary:
    """The network with its optimiser."""

    def __init__(self, device: torch.device, rate: float = 1e-3) -> None:
        self.net = PatchNet().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=rate, betas=(0.5, 0.99))

    def realness(self, drawn: torch.Tensor, sums: torch.Tensor) -> torch.Tensor:
        """Mean score of each drawn picture, float32 N, to be raised by whoever drew it; the network stays as it is."""
        self.net.requires_grad_(False)
        scores: torch.Tensor = self.net(drawn, sums).mean((1, 2, 3))
        self.net.requires_grad_(True)
        return scores

    def learn(self, tiles: torch.Tensor, drawn: torch.Tensor, sums: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """One step towards telling tiles from drawn ones, each pair with a weight float32 N; returns the loss.

        All float32 N x 3 x H x W, H and W multiples of 8, without gradient.
        """
        real, false = self.net(torch.cat([tiles, drawn]), sums.repeat(2, 1, 1, 1)).chunk(2)
        loss: torch.Tensor = (weight * (F.relu(1 - real) + F.relu(1 + false)).mean((1, 2, 3))).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def tensors(self) -> dict[str, torch.Tensor]:
        """All its state."""
        state = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        return state | {f"optimiser.{name}": value for name, value in optimiser_tensors(self.optimiser).items()}

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take up the state that `tensors` gave."""
        self.net.load_state_dict({name[4:]: value for name, value in tensors.items() if name.startswith("net.")})
        load_optimiser(
            self.optimiser, {name[10:]: value for name, value in tensors.items() if name.startswith("optimiser.")}
        )
