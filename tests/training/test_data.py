"""Training pictures: their order, and crops that equal the tiles of a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.test_training import as_tensor, smooth_picture
from tokcodec.tokenizers.cascade import CascadeConfig
from tokcodec.training import data
from tokcodec.training.cascade import transform_for
from tokcodec.training.data import PATCHES, ZOOMS, crop_pixels, crop_vectors, random_crop


class Chooser:
    """A generator that returns the full size at the origin, or given values."""

    def __init__(self, size: int = 0, shift: int = 0) -> None:
        self.size, self.shift = size, shift

    def random(self) -> float:
        return 0.0

    def choice(self, sizes: tuple[int, ...]) -> int:
        assert self.size in sizes
        return self.size

    def integers(self, low: int, high: int, count: int) -> list[int]:
        return [self.shift] * count


def test_a_crop_of_the_whole_is_the_picture() -> None:
    picture = as_tensor(smooth_picture(1, (256, 256)))

    crop = random_crop(picture, Chooser())  # type: ignore[arg-type]
    assert torch.allclose(crop, picture / 255, atol=1e-5)


@pytest.mark.parametrize(("scale", "size", "shift"), [(1, 160, 0), (2, 80, 16), (3, 20, 8)])
def test_a_patch_is_what_a_tile_of_its_size_would_be(scale: int, size: int, shift: int) -> None:
    """Crops are enlarged like `tiling.cut`, up to Pillow's rounding."""
    picture = smooth_picture(1, (320, 288))
    crop = random_crop(as_tensor(picture), Chooser(size, shift), scale=scale)  # type: ignore[arg-type]
    left, top = ((side - size) * shift / 16 for side in picture.size)
    box = (left, top, left + size, top + size)
    expected = np.asarray(picture.resize((256, 256), Image.Resampling.LANCZOS, box=box), np.float32) / 255
    assert np.abs(crop.clamp(0, 1).permute(1, 2, 0).numpy() - expected).max() < 1.5 / 255


def sizes(scale: int, number: int = 200) -> set[float]:
    """Source pixels that random crops of a picture 256 pixels high cover, read off a ramp."""
    ramp = torch.arange(256, dtype=torch.uint8).expand(3, 272, 256)
    rng = np.random.default_rng(0)
    crops = (random_crop(ramp, rng, scale=scale)[0, 0] * 255 for _ in range(number))
    # The middle half: at the ends the kernel hangs over the picture.
    return {round(float(crop[192] - crop[64]) * 2) for crop in crops}


def test_crops_of_the_first_scale_are_most_of_the_picture() -> None:
    assert sizes(0) == {256 * (16 - zoom) / 16 for zoom in range(ZOOMS + 1)}


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_patches_have_the_sizes_of_their_scale(scale: int) -> None:
    assert sizes(scale) == set(PATCHES[scale])


def test_patches_are_those_that_the_scales_codewords_serve() -> None:
    bounds = CascadeConfig().scales
    assert len(PATCHES) == len(bounds) + 1 and not PATCHES[0]
    for patches, (above, least) in zip(PATCHES[1:], pairwise([*bounds, 1]), strict=True):
        assert all(least <= size < above for size in patches)
    assert max(max(patches) for patches in PATCHES[1:]) <= data.TILE


@pytest.mark.parametrize("scale", [0, 1, 3])
def test_vectors_are_the_transform_of_the_crops_and_of_their_mirrors(scale: int) -> None:
    """The result is the same with any number of threads."""
    pictures = [as_tensor(smooth_picture(seed)) for seed in (2, 3)]
    transform = transform_for(CascadeConfig(luma=16, chroma=8))
    vectors = crop_vectors(pictures, 5, np.random.default_rng(5), transform, scale)
    assert vectors.shape == (10, transform.size) and vectors.dtype == torch.float32
    rng = np.random.default_rng(5)
    chosen, seeds = rng.integers(0, 2, 5), rng.integers(0, 1 << 62, 5)
    crops = torch.stack(
        [random_crop(pictures[i], np.random.default_rng(s), scale=scale) for i, s in zip(chosen, seeds, strict=True)]
    )
    assert torch.allclose(vectors[:5], transform.forward(crops), atol=2e-3)
    assert torch.allclose(vectors[5:], transform.forward(crops.flip(-1)), atol=2e-3)


@pytest.mark.parametrize("scale", [0, 2])
def test_crops_lie_in_range(scale: int) -> None:
    crops = crop_pixels([as_tensor(smooth_picture(3))], 5, np.random.default_rng(0), scale)
    assert crops.shape == (5, 3, 256, 256) and crops.min() >= 0 and crops.max() <= 1 and crops.std() > 0.02


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    smooth_picture(seed, (256, 256)).save(stream, "PNG")
    return stream.getvalue()


def test_many_files_are_read_in_order_and_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "AHEAD", 3)
    begun = []

    def files(*sources: object) -> Iterator[bytes | str]:
        for seed in range(9):
            begun.append(seed)
            yield "damaged" if seed == 5 else png(seed)

    for number, result in enumerate(data._decoded(files(), 256)):
        assert len(begun) <= number + 3
        picture = np.asarray(smooth_picture(number, (256, 256))).transpose(2, 0, 1)
        assert result == "damaged" if isinstance(result, str) else np.array_equal(result.numpy(), picture)
    assert len(begun) == 9
