"""LPIPS v0.1 (Zhang et al., CVPR 2018, arXiv 1801.03924), with weights from a file. Does not need torchvision.

Values of different nets (`squeeze`, `alex`) are not comparable: always print the net beside the value.
Only `download` uses the internet.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ModelFileError
from ..regularfile import open_regular
from ..tensorfile import check_header

WEIGHTS_ENV = "TOKCODEC_LPIPS"
MAX_BYTES = 1 << 30
"""Size of a file of weights at most. VGG's, with the layers that LPIPS does not use, has 0.55e9 bytes."""
# Subtracted from and divided into RGB in [-1, 1]: ImageNet's mean and deviation in that range, as LPIPS rounds them.
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_EPSILON = 1e-10

# Layers of torchvision's `features` whose outputs are compared, and their numbers of channels.
_TAPS = {"squeeze": (1, 4, 7, 9, 10, 11, 12), "alex": (1, 4, 7, 9, 11)}
_CHANNELS = {"squeeze": (64, 128, 256, 384, 384, 512, 512), "alex": (64, 192, 384, 256, 256)}
NETS = tuple(_TAPS)

# Names in torch's hub cache; the backbones' names end with the first digits of their sha256.
_BACKBONES = {"squeeze": "squeezenet1_1-b8a52dc0.pth", "alex": "alexnet-owt-7be5be79.pth"}
_BACKBONE_URL = "https://download.pytorch.org/models/{name}"
_HEADS_URL = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/{net}.pth"
# sha256 over the heads' float32 values in order: heads with no known digest are read from files, never downloaded.
_HEADS_DIGEST = {"squeeze": "68f1b1752260e0335c6394983132e210e3ed5c2540e78d239be07671a77130e4"}


class WeightsMissingError(FileNotFoundError):
    """The LPIPS weights of this net are missing. The text names the places that were searched."""


class _Fire(nn.Module):
    """SqueezeNet's block: a 1x1 squeeze, then 1x1 and 3x3 expansions side by side."""

    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat((F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))), dim=1)


def _squeeze_layers() -> list[nn.Module]:
    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    stem: list[nn.Module] = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool()]
    first = [_Fire(64, 16, 64), _Fire(128, 16, 64), pool(), _Fire(128, 32, 128), _Fire(256, 32, 128), pool()]
    return stem + first + [_Fire(256, 48, 192), _Fire(384, 48, 192), _Fire(384, 64, 256), _Fire(512, 64, 256)]


def _alex_layers() -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    layers += [nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    for inputs, outputs in ((192, 384), (384, 256), (256, 256)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
    return layers


_LAYERS = {"squeeze": _squeeze_layers, "alex": _alex_layers}


class LPIPS(nn.Module):
    """Learned perceptual distance of pictures. Its weights are fixed. It is differentiable by its inputs.

    Args:
        net: "squeeze" or "alex". Default: "squeeze".
        weights: file with the weights, see `load_weights`. Default: the places that `load_weights` searches.

    Raises:
        ValueError: the net is unknown.
        WeightsMissingError: the weights are missing.
        ModelFileError: the weights cannot be read, or do not fit.
    """

    def __init__(self, net: str = "squeeze", weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        if net not in _TAPS:
            raise ValueError(f"unknown LPIPS net {net!r}: one of {', '.join(NETS)}")
        self.net = net
        self.layers = nn.ModuleDict({"features": nn.Sequential(*_LAYERS[net]())})
        self.heads = nn.ParameterList([nn.Parameter(torch.zeros(1, c, 1, 1)) for c in _CHANNELS[net]])
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1))
        self._fill(load_weights(net, weights))
        self.requires_grad_(False)
        self.eval()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast on a CPU

    def _fill(self, state: Mapping[str, Tensor]) -> None:
        wanted: dict[str, Tensor] = dict(self.layers.named_parameters())
        wanted |= {f"lin{i}.model.1.weight": head for i, head in enumerate(self.heads)}
        for name, parameter in wanted.items():
            tensor = state.get(name)
            if tensor is None:
                raise ModelFileError(f"LPIPS weights for {self.net}: no tensor {name!r}")
            if tensor.shape != parameter.shape:
                shapes = f"{tuple(tensor.shape)} instead of {tuple(parameter.shape)}"
                raise ModelFileError(f"LPIPS weights for {self.net}: {name!r} has shape {shapes}")
            with torch.no_grad():
                parameter.copy_(tensor)

    def features(self, x: Tensor) -> list[Tensor]:
        """Features of unit length over channels: float NCHW, RGB in [0, 1], at least 32x32 -> one NCHW per layer."""
        x = (x * 2 - 1 - self.get_buffer("shift")) / self.get_buffer("scale")
        x = x.contiguous(memory_format=torch.channels_last)
        features = []
        for index, layer in enumerate(self.layers["features"].children()):
            x = layer(x)
            if index in _TAPS[self.net]:
                # vector_norm instead of sqrt(sum): its gradient at an all-zero feature is 0, not NaN.
                features.append(x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + _EPSILON))
        return features

    def compare(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """Distances of two results of `features`, float [N]. The first may have N = 1, a reference computed once."""
        # The 1x1 head is applied after the spatial mean: both are linear, and this order is far cheaper.
        parts = [
            ((a - b).square().mean(dim=(2, 3)) * head.view(1, -1)).sum(dim=1)
            for a, b, head in zip(first, second, self.heads, strict=True)
        ]
        return torch.stack(parts).sum(dim=0)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """LPIPS of pictures `x` and `y`, float NCHW RGB in [0, 1] -> float [N]. 0 for equal pictures."""
        return self.compare(self.features(x), self.features(y))


def load_weights(net: str = "squeeze", path: str | os.PathLike[str] | None = None) -> dict[str, Tensor]:
    """Load the weights of a net: `features.N...` (torchvision's names) and `lin0.model.1.weight`, ...

    Without `path` it searches the file that $TOKCODEC_LPIPS names, then torch's hub cache (the backbone's usual name,
    and `lpips_v0.1_NET.pth` for the heads).

    Args:
        net: "squeeze" or "alex". Default: "squeeze".
        path: a safetensors file, or a state dict that `torch.load(weights_only=True)` reads.

    Raises:
        WeightsMissingError: the weights are missing.
        ModelFileError: a file cannot be read.
    """
    named = path if path is not None else os.environ.get(WEIGHTS_ENV)
    if named:
        return _read(Path(named))
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    parts = [cache / _BACKBONES[net], cache / f"lpips_v0.1_{net}.pth"]
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise WeightsMissingError(
            f"no LPIPS weights for {net}: ${WEIGHTS_ENV} is not set and the torch hub cache "
            f"lacks {' and '.join(missing)}"
        )
    return _read(parts[0]) | _read(parts[1])


def download(net: str = "squeeze") -> None:
    """Download the weights of a net into torch's hub cache and check their hashes.

    Args:
        net: "squeeze".

    Raises:
        ValueError: the net's heads have no known digest.
        ModelFileError: the downloaded weights are not those of LPIPS v0.1.
        OSError: the network fails.
    """
    if net not in _HEADS_DIGEST:
        raise ValueError(f"the heads of {net} have no pinned hash: give a file with its weights instead")
    backbone, heads = _BACKBONES[net], f"lpips_v0.1_{net}.pth"
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        torch.hub.load_state_dict_from_url(_BACKBONE_URL.format(name=backbone), check_hash=True, weights_only=True)
        torch.hub.load_state_dict_from_url(_HEADS_URL.format(net=net), file_name=heads, weights_only=True)
    except RuntimeError as error:
        raise ModelFileError(f"LPIPS weights for {net}: {error}") from error
    if heads_digest(_read(folder / heads)) != _HEADS_DIGEST[net]:
        (folder / heads).unlink()
        raise ModelFileError(f"LPIPS weights for {net}: the downloaded heads are not those of LPIPS v0.1")


def heads_digest(state: Mapping[str, Tensor]) -> str:
    """sha256 (hex) over the values of the linear heads `lin0`, `lin1`, ... as little-endian float32."""
    digest = hashlib.sha256()
    for index in range(max(map(len, _CHANNELS.values()))):
        head = state.get(f"lin{index}.model.1.weight")
        if head is not None:
            digest.update(head.to(torch.float32).contiguous().cpu().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise WeightsMissingError(f"no LPIPS weights: {path} is not a file")
    try:
        if path.suffix == ".safetensors":
            check_header(path, MAX_BYTES)
            return safetensors.torch.load_file(path)
        open_regular(path, MAX_BYTES).close()
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (safetensors.SafetensorError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise ModelFileError(f"LPIPS weights {path}: {error}") from error
    except Exception as error:  # torch.load names pickle's and zip's errors differently from release to release
        raise ModelFileError(f"LPIPS weights {path}: not a state dict ({type(error).__name__})") from error
    if not isinstance(state, dict):
        raise ModelFileError(f"LPIPS weights {path}: not a state dict")
    return state
