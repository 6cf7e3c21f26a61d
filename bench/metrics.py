"""Measures the quality of a decoded picture against its original.

PSNR, SSIM, MS-SSIM and LPIPS are measured at full and at half scale. At half scale both pictures are first averaged
2x2, which reveals fine patterns that improve a metric but not the appearance. Recognition, grain and colour are
measured at full scale only. Pictures are uint8 RGB.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate1d

from bench.colour import Colours
from bench.grain import Grain
from tokcodec.ratecontrol.quality import to_psnr

if TYPE_CHECKING:
    from bench.recognition import Recogniser
    from tokcodec.ratecontrol.lpips import LPIPS

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

# PSNR of equal pictures in dB, since JSON has no infinity.
PSNR_CAP = 100.0
# Wang et al. 2004: Gaussian window of 11x11, sigma 1.5; K1, K2. Wang et al. 2003: weights of the five scales.
_WINDOW = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
_WINDOW /= _WINDOW.sum()
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_MS_WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
# Shortest side in pixels for LPIPS, whose nets need it to reach their last layer, and for recognition.
NETS_MIN_SIDE = 32


def half(pixels: NDArray[Any]) -> Floats:
    """HxWx3 -> float32 [H // 2, W // 2, 3], the mean of each 2x2 block. An odd last row or column is dropped."""
    x = np.asarray(pixels, np.float32)
    x = x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2]
    return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) * np.float32(0.25)


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    """PSNR in dB of two HxWx3 arrays in 0..255, over all channels; at most PSNR_CAP."""
    # In float64 the sum is exact for integers: in float32 it depends on the CPU's BLAS kernel.
    difference = np.subtract(a, b, dtype=np.float64).ravel()
    error = float(np.dot(difference, difference)) / difference.size
    return min(PSNR_CAP, to_psnr(error / 255**2))


def _blur(x: Floats) -> Floats:
    rows = correlate1d(x, _WINDOW, axis=0)[5:-5]
    return np.asarray(correlate1d(rows, _WINDOW, axis=1)[:, 5:-5], np.float32)


class _SsimReference:
    """Pyramid of one original with its windowed means and variances, for comparison with many pictures."""

    def __init__(self, pixels: NDArray[Any]) -> None:
        self.levels: list[tuple[Floats, Floats, Floats]] = []
        x = np.asarray(pixels, np.float32)
        while min(x.shape[:2]) >= len(_WINDOW) and len(self.levels) < len(_MS_WEIGHTS):
            mean = _blur(x)
            self.levels.append((x, mean, _blur(x * x) - mean * mean))
            x = half(x)

    def compare(self, pixels: NDArray[Any]) -> tuple[float | None, float | None]:
        """(SSIM, MS-SSIM), means over pixels and channels; None for a side below 11 pixels, for MS-SSIM below 176."""
        y = np.asarray(pixels, np.float32)
        similarity: list[NDArray[Any]] = []
        structure: list[NDArray[Any]] = []
        for x, mean_x, var_x in self.levels:
            mean_y = _blur(y)
            var_y, covariance = _blur(y * y) - mean_y * mean_y, _blur(x * y) - mean_x * mean_y
            cs = (2 * covariance + _C2) / (var_x + var_y + _C2)
            luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
            structure.append(cs.mean(axis=(0, 1), dtype=np.float64))
            similarity.append((cs * luminance).mean(axis=(0, 1), dtype=np.float64))
            y = half(y)
        if not similarity:
            return None, None
        if len(similarity) < len(_MS_WEIGHTS):
            return float(similarity[0].mean()), None
        per_scale = np.maximum(np.stack([*structure[:-1], similarity[-1]]), 0)
        return float(similarity[0].mean()), float(np.prod(per_scale ** _MS_WEIGHTS[:, None], axis=0).mean())


def _ssimulacra2() -> Callable[[Pixels, Pixels], float]:
    from ssimulacra2 import compute_ssimulacra2

    def png(pixels: Pixels) -> io.BytesIO:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG", compress_level=0)
        return file

    return lambda a, b: float(compute_ssimulacra2(png(a), png(b)))


def _dists() -> Callable[[Pixels, Pixels], float]:
    import torch
    from DISTS_pytorch import DISTS

    net = DISTS()

    def compare(a: Pixels, b: Pixels) -> float:
        with torch.inference_mode():
            return float(net(*(torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in (a, b))))

    return compare


# Metrics on request: name -> (module that must be installed, maker of the function).
EXTRAS: dict[str, tuple[str, Callable[[], Callable[[Pixels, Pixels], float]]]] = {
    "ssimulacra2": ("ssimulacra2", _ssimulacra2),
    "dists": ("DISTS_pytorch", _dists),
}

# Shortest side in pixels. Below, the package compares fewer scales and weighs them as if they were others.
EXTRAS_MIN_SIDE = {"ssimulacra2": 225}


def make_extras(names: tuple[str, ...]) -> dict[str, Callable[[Pixels, Pixels], float]]:
    """Functions of the named extra metrics. Raises ValueError if one is unknown or not installed."""
    for name in names:
        if name not in EXTRAS:
            raise ValueError(f"unknown metric {name!r}: one of {', '.join(EXTRAS)}")
        if importlib.util.find_spec(EXTRAS[name][0]) is None:
            raise ValueError(f"the metric {name} needs the package {EXTRAS[name][0]}, which is not installed")
    return {name: EXTRAS[name][1]() for name in names}


class Meter:
    """Measures decoded pictures against one original, whose features are computed once.

    Args:
        reference: The original, uint8 HxWx3.
        lpips: Net of LPIPS; None: no LPIPS.
        extras: Further metrics by name.
        recogniser: A classifier; None: no recognition.
    """

    def __init__(
        self,
        reference: Pixels,
        lpips: LPIPS | None = None,
        extras: dict[str, Callable[[Pixels, Pixels], float]] | None = None,
        recogniser: Recogniser | None = None,
    ) -> None:
        self.reference = reference
        self.net = lpips
        self.extras = extras or {}
        self.scales: dict[str, NDArray[Any]] = {"": reference}
        if min(reference.shape[:2]) >= 2:
            self.scales["_half"] = half(reference)
        self._ssim = {suffix: _SsimReference(pixels) for suffix, pixels in self.scales.items()}
        self._features: dict[str, Any] = {}
        if lpips is not None:
            for suffix, pixels in self.scales.items():
                if min(pixels.shape[:2]) >= NETS_MIN_SIDE:
                    self._features[suffix] = self._embed(pixels)
        self._grain = Grain(reference)
        self._colours = Colours(reference)
        self.recogniser = recogniser if min(reference.shape[:2]) >= NETS_MIN_SIDE else None
        self._seen = None if self.recogniser is None else self.recogniser.look(reference)

    @property
    def original(self) -> dict[str, float]:
        """Measures of the original: `flat`, the share of its windows where grain is measured, and `grain` if any."""
        found = {"flat": self._grain.flat}
        return found if self._grain.original is None else found | {"grain": self._grain.original}

    @property
    def lpips_name(self) -> str | None:
        """Name of the LPIPS metric, e.g. "lpips_squeeze"; None without weights."""
        return None if self.net is None else f"lpips_{self.net.net}"

    def psnr(self, decoded: Pixels) -> float:
        """PSNR in dB at full scale."""
        return psnr(self.reference, decoded)

    def lpips(self, decoded: NDArray[Any], suffix: str = "") -> float | None:
        """LPIPS at full scale (suffix ""), or of a picture at half scale ("_half"); None if it cannot be computed."""
        if self.net is None or suffix not in self._features:
            return None
        import torch

        with torch.inference_mode():
            return float(self.net.compare(self._features[suffix], self._embed(decoded)))

    def _embed(self, pixels: NDArray[Any]) -> Any:
        import torch

        with torch.inference_mode():
            x = torch.from_numpy(np.asarray(pixels, np.float32)).permute(2, 0, 1)[None] / 255
            return self.net.features(x) if self.net is not None else None

    def measure(self, decoded: Pixels, known: dict[str, float] | None = None) -> dict[str, float]:
        """All metrics by name. Without those for which the picture is too small, and grain if no window is smooth.

        Args:
            decoded: uint8, in the shape of the original.
            known: Metrics that are already known, by name.

        Raises:
            ValueError: The shapes differ.
        """
        if decoded.shape != self.reference.shape:
            raise ValueError(f"decoded picture is {decoded.shape}, the original {self.reference.shape}")
        found: dict[str, float | None] = {}
        for suffix, reference in self.scales.items():
            pixels = half(decoded) if suffix else decoded
            found[f"psnr{suffix}"] = psnr(reference, pixels)
            found[f"ssim{suffix}"], found[f"ms_ssim{suffix}"] = self._ssim[suffix].compare(pixels)
            if self.lpips_name is not None:
                name = f"{self.lpips_name}{suffix}"
                found[name] = known[name] if known and name in known else self.lpips(pixels, suffix)
        found |= self._colours.compare(decoded)
        for name, function in self.extras.items():
            if min(decoded.shape[:2]) >= EXTRAS_MIN_SIDE.get(name, 1):
                found[name] = function(self.reference, decoded)
        if self.recogniser is not None and self._seen is not None:
            found |= self.recogniser.compare(self._seen, self.recogniser.look(decoded))
        found["grain"] = self._grain.measure(decoded)
        return {name: value for name, value in found.items() if value is not None}
