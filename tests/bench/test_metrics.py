"""Metrics against scikit-image, closed forms, and pictures whose values are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import metrics
from bench.metrics import Meter, half, psnr

Pixels = NDArray[np.uint8]


def noisy(pixels: Pixels, sigma: float) -> Pixels:
    noise = np.random.default_rng(1).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def test_identical_pictures(tile: Pixels) -> None:
    found = Meter(tile).measure(tile.copy())
    assert found["psnr"] == found["psnr_half"] == metrics.PSNR_CAP
    assert found["ssim"] == pytest.approx(1)
    assert found["ms_ssim"] == pytest.approx(1)


def test_psnr_of_a_known_error() -> None:
    a = np.full((32, 48, 3), 100, np.uint8)
    b = a + np.uint8(5)
    assert psnr(a, b) == pytest.approx(20 * np.log10(255 / 5), abs=1e-5)
    b = a.copy()
    b[0, 0, 0] += 10
    assert psnr(a, b) == pytest.approx(10 * np.log10(255**2 / (100 / a.size)), abs=1e-4)


def test_psnr_of_a_known_noise_level() -> None:
    grey = np.full((256, 256, 3), 128, np.uint8)
    # Rounding to integers adds 1/12 to the variance.
    assert psnr(grey, noisy(grey, 10)) == pytest.approx(10 * np.log10(255**2 / (100 + 1 / 12)), abs=0.05)


@pytest.mark.parametrize("sigma", [2, 20, 80])
def test_against_scikit_image(tile: Pixels, sigma: float) -> None:
    skimage = pytest.importorskip("skimage.metrics")
    other = noisy(tile, sigma)
    found = Meter(tile).measure(other)
    assert found["psnr"] == pytest.approx(skimage.peak_signal_noise_ratio(tile, other), abs=1e-4)
    options: dict[str, Any] = {
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
        "channel_axis": -1,
        "data_range": 255,
    }
    assert found["ssim"] == pytest.approx(skimage.structural_similarity(tile, other, **options), abs=2e-5)
    a, b = half(tile), half(other)
    assert found["ssim_half"] == pytest.approx(skimage.structural_similarity(a, b, **options), abs=2e-5)


def test_ms_ssim_from_its_definition(tile: Pixels) -> None:
    """Contrast and structure of four scales and the SSIM of the fifth, each from scikit-image's full maps."""
    skimage = pytest.importorskip("skimage.metrics")
    other = noisy(tile, 25)
    a, b = tile.astype(np.float64), other.astype(np.float64)
    product = np.ones(3)
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        for channel in range(3):
            x, y = a[..., channel], b[..., channel]
            options: dict[str, Any] = {
                "gaussian_weights": True,
                "sigma": 1.5,
                "use_sample_covariance": False,
                "data_range": 255,
                "full": True,
            }
            _, whole = skimage.structural_similarity(x, y, **options)
            if scale < 4:  # without the luminance term: K1 huge makes it 1
                _, whole = skimage.structural_similarity(x, y, **options, K1=1e6)
            product[channel] *= whole[5:-5, 5:-5].mean() ** weight
        a, b = (p.reshape(p.shape[0] // 2, 2, -1, 2, 3).mean(axis=(1, 3)) for p in (a, b))
    assert Meter(tile).measure(other)["ms_ssim"] == pytest.approx(product.mean(), abs=1e-4)


def test_quality_falls_with_noise(tile: Pixels) -> None:
    meter = Meter(tile)
    found = [meter.measure(noisy(tile, sigma)) for sigma in (3, 10, 30, 90)]
    for name in ("psnr", "ssim", "ms_ssim", "psnr_half", "ssim_half"):
        values = [metric[name] for metric in found]
        assert values == sorted(values, reverse=True), name


def test_half_averages_blocks_and_drops_odd_edges() -> None:
    x = np.arange(5 * 7 * 3, dtype=np.float64).reshape(5, 7, 3)
    assert half(x).shape == (2, 3, 3)
    assert half(x)[1, 2, 0] == pytest.approx(x[2:4, 4:6, 0].mean())


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (20, 20, 3), (100, 300, 3)])
def test_small_pictures_leave_out_what_they_are_too_small_for(shape: tuple[int, int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    found = Meter(pixels).measure(np.zeros(shape, np.uint8))
    assert "psnr" in found
    assert "ms_ssim" not in found
    assert ("ssim" in found) == (min(shape[:2]) >= 11)


def test_other_shape_is_refused(tile: Pixels) -> None:
    with pytest.raises(ValueError, match="255"):
        Meter(tile).measure(tile[1:])


def test_lpips_is_named_by_its_net_and_reused(tile: Pixels) -> None:
    torch = pytest.importorskip("torch")

    class Net:
        net = "alex"
        calls = 0

        def features(self, x: Any) -> Any:
            self.calls += 1
            return x.mean(dim=(2, 3))

        def compare(self, a: Any, b: Any) -> Any:
            return torch.abs(a - b).sum(dim=1)

    net = Net()
    meter = Meter(tile, net)  # type: ignore[arg-type]
    found = meter.measure(noisy(tile, 60))
    assert {"lpips_alex", "lpips_alex_half"} <= found.keys()
    calls = net.calls
    again = meter.measure(noisy(tile, 60), {"lpips_alex": 0.5})
    assert again["lpips_alex"] == 0.5
    assert net.calls == calls + 1


def test_extras(tile: Pixels) -> None:
    with pytest.raises(ValueError, match="unknown metric"):
        metrics.make_extras(("vmaf",))
    pytest.importorskip("ssimulacra2")
    found = Meter(tile, extras=metrics.make_extras(("ssimulacra2",))).measure(tile)
    assert found["ssimulacra2"] == pytest.approx(100, abs=0.5)


@pytest.mark.parametrize(("side", "measured"), [(224, False), (225, True)])
def test_ssimulacra2_is_not_for_small_pictures(tile: Pixels, side: int, measured: bool) -> None:
    pixels = tile[:side]
    found = Meter(pixels, extras={"ssimulacra2": lambda a, b: 100.0}).measure(pixels)
    assert ("ssimulacra2" in found) == measured


def test_an_extra_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(metrics.EXTRAS, "nowhere", ("no_such_package", lambda: lambda a, b: 0.0))
    with pytest.raises(ValueError, match="no_such_package"):
        metrics.make_extras(("nowhere",))
