"""Training pictures: folders or tar archives to random square crops.

A crop, its antialiased resampling and the first DCT frequencies are all linear along each axis, so a training vector is
`M_y @ picture @ M_x^T` with two small cached matrices; pixels are never resized one by one.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections import Counter, deque
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..errors import PictureError, TokError
from ..pictures.axes import dct_matrix, lanczos_kernel
from ..pictures.images import read_picture
from ..pictures.tiling import TILE, centre_square
from ..tokenizers.transform import COLOURS, TileTransform
from .picture_files import picture_files

log = logging.getLogger(__name__)

STORED = 5 / 4
"""Larger pictures are reduced to this short side, in tiles, so that a data set fits in memory."""
ZOOMS = 5
"""Sizes of crops for whole pictures: the short side and 15/16 .. 11/16 of it."""
PATCHES = ((), (96, 112, 134, 160, 190), (48, 56, 67, 80, 95), (20, 26, 33, 34, 40, 47))
"""Sizes of crops in pixels for each scale of a model. The first has none of its own: its crops are whole pictures."""
AHEAD = 16
"""Picture files in memory at a time. They are read while others are decoded."""
SHIFTS = 16
"""Crop positions along each axis: 0/16 .. 16/16 of the slack."""


def read_training_picture(data: bytes, tile: int = TILE) -> torch.Tensor | str:
    """Decode one picture, or return the reason why it is skipped. Smaller ones than a tile are: they would teach blur.

    Args:
        data: the bytes of its file.
        tile: samples along a tile's side.

    Returns:
        uint8 3 x H x W with a short side of 1 to STORED tiles.
    """
    try:
        picture = read_picture(io.BytesIO(data), warn=lambda note: None)
    except TokError as error:
        return type(error).__name__
    short = min(picture.size)
    if short < tile:
        return "too small"
    if short > STORED * tile:
        factor = STORED * tile / short
        picture = picture.resize(
            (round(picture.width * factor), round(picture.height * factor)), Image.Resampling.LANCZOS
        )
    return torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy())


def digest(picture: torch.Tensor) -> bytes:
    """Identity of a picture's pixels."""
    return hashlib.sha256(picture.numpy().tobytes()).digest()


def load_pictures(
    sources: Sequence[Path],
    exclude: Set[bytes] = frozenset(),
    tile: int = TILE,
    part: tuple[int, int] = (0, 1),
    least: int = 1,
) -> list[torch.Tensor]:
    """Read pictures into memory.

    Args:
        sources: folders, tar archives and Parquet files.
        exclude: digests of pictures that are left out.
        tile: samples along a tile's side.
        part: number of a part and number of parts: of those, every N-th picture is in the same part.
        least: fewest usable pictures.

    Returns:
        uint8 3 x H x W each, about 0.3 MB for tiles of 256.

    Raises:
        PictureError: fewer are usable.
        Others as `picture_files`.
    """
    number, parts = part
    files = (data for place, data in enumerate(picture_files(sources)) if place % parts == number)
    pictures: list[torch.Tensor] = []
    skipped: Counter[str] = Counter()
    for result in _decoded(files, tile):
        if isinstance(result, str):
            skipped[result] += 1
        elif digest(result) in exclude:
            skipped["in validation"] += 1
        else:
            pictures.append(result)
    if skipped:
        log.warning("skipped pictures: %s", ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())))
    if len(pictures) < least:
        raise PictureError(f"no usable picture (short side at least {tile}) in {', '.join(map(str, sources))}")
    return pictures


def _decoded(files: Iterator[bytes | str], tile: int) -> Iterator[torch.Tensor | str]:
    """The pictures of files in their order, decoded by threads; the reason instead of one that is skipped."""

    def decode(data: bytes | str) -> torch.Tensor | str:
        return data if isinstance(data, str) else read_training_picture(data, tile)

    with ThreadPoolExecutor(4) as pool:
        waiting: deque[Future[torch.Tensor | str]] = deque()
        for data in files:
            waiting.append(pool.submit(decode, data))
            if len(waiting) == AHEAD:
                yield waiting.popleft().result()
        yield from (one.result() for one in waiting)


def resampling_matrix(length: int, start: float, size: float, tile: int = TILE) -> torch.Tensor:
    """The matrix that resamples a part of an axis by Lanczos, as `tiling.cut` does it.

    Args:
        length: pixels of the axis.
        start: first pixel of the part, may lie between two.
        size: pixels of the part.
        tile: samples of the result.

    Returns:
        float32 tile x length.
    """
    scale = max(size / tile, 1.0)
    centres = start + (np.arange(tile) + 0.5) * size / tile
    weights = lanczos_kernel(length, centres, scale)
    return torch.from_numpy((weights / weights.sum(1, keepdims=True)).astype(np.float32))


@cache
def crop_matrix(length: int, size: float, shift: int, frequencies: int, tile: int = TILE) -> torch.Tensor:
    """The matrix that crops and resamples an axis, followed by a DCT if frequencies are asked for.

    Args:
        length: pixels of the axis.
        size: pixels of the crop.
        shift: position of the crop, 0..SHIFTS: the share of the slack before it.
        frequencies: DCT frequencies to keep. 0: no DCT.
        tile: samples along a tile's side.

    Returns:
        float32 tile x length, or frequencies x length.
    """
    matrix = resampling_matrix(length, (length - size) * shift / SHIFTS, size, tile)
    return torch.from_numpy(dct_matrix(frequencies, tile).astype(np.float32)) @ matrix if frequencies else matrix


def random_crop(
    picture: torch.Tensor, rng: np.random.Generator, frequencies: int = 0, scale: int = 0, tile: int = TILE
) -> torch.Tensor:
    """One random crop of a picture.

    Args:
        picture: uint8 3 x H x W.
        rng: chooses size and position.
        frequencies: DCT frequencies to keep along each axis. 0: pixels.
        scale: scale of the model, see PATCHES.
        tile: samples along a tile's side.

    Returns:
        float32 3 x tile x tile in [0, 1], or 3 x frequencies x frequencies, the DCT of red, green and blue.
    """
    _, height, width = picture.shape
    short = min(height, width)
    if PATCHES[scale]:
        size = float(rng.choice(PATCHES[scale]))
    else:
        size = short * (1.0 if rng.random() < 0.5 else rng.integers(16 - ZOOMS, 16) / 16)
    down, across = (int(v) for v in rng.integers(0, SHIFTS + 1, 2))
    rows = crop_matrix(height, size, down, frequencies, tile).to(picture.device)
    columns = crop_matrix(width, size, across, frequencies, tile).to(picture.device)
    return rows @ picture.float() @ columns.T / 255


def crop_pixels(pictures: Sequence[torch.Tensor], count: int, rng: np.random.Generator, scale: int = 0) -> torch.Tensor:
    """Random crops of random pictures, half of them mirrored.

    Args:
        pictures: uint8 3 x H x W each.
        count: number of crops.
        rng: chooses pictures and crops.
        scale: scale of the model, see PATCHES.

    Returns:
        float32 count x 3 x 256 x 256 in [0, 1].
    """
    crops = [random_crop(pictures[i], rng, scale=scale) for i in rng.integers(0, len(pictures), count)]
    return torch.stack([crop.flip(-1) if rng.random() < 0.5 else crop for crop in crops]).clamp_(0, 1)


def crop_vectors(
    pictures: Sequence[torch.Tensor], count: int, rng: np.random.Generator, transform: TileTransform, scale: int = 0
) -> torch.Tensor:
    """Coefficient vectors of random crops of random pictures, then of the same crops mirrored.

    Args:
        pictures: uint8 3 x H x W each.
        count: number of crops.
        rng: chooses pictures and crops.
        transform: the tokenizer's.
        scale: scale of the model, see PATCHES.

    Returns:
        float32 2 count x transform.size. A mirrored tile has its odd horizontal frequencies negated.
    """
    planes = torch.empty(count, 3, transform.luma, transform.luma)

    def crop(row: int, index: int, seed: int) -> None:
        planes[row] = random_crop(pictures[index], np.random.default_rng(seed), transform.luma, scale)

    chosen = rng.integers(0, len(pictures), count).tolist()
    seeds = rng.integers(0, 1 << 62, count).tolist()
    with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:
        list(pool.map(crop, range(count), chosen, seeds))
    planes = torch.einsum("cd,ndhw->nchw", torch.from_numpy(COLOURS.astype(np.float32)), planes)
    mirrored = planes.clone()
    mirrored[..., 1::2] *= -1
    vectors: torch.Tensor = transform.pack(torch.cat([planes, mirrored]))
    return vectors


def centre_tile(picture: torch.Tensor, tile: int = TILE) -> torch.Tensor:
    """Short side to that of a tile (Lanczos), then the centre: uint8 3 x H x W -> float32 3 x T x T in [0, 1]."""
    centre = np.asarray(centre_square(Image.fromarray(picture.permute(1, 2, 0).numpy()), tile))
    return torch.from_numpy(centre.copy()).permute(2, 0, 1).float() / 255


def load_validation(sources: Sequence[Path], tile: int = TILE) -> tuple[dict[str, torch.Tensor], set[bytes]]:
    """Centre tiles of each source by its name, and the digests of its pictures, which must not be trained on."""
    sets = {source.name: load_pictures([source], tile=tile) for source in sources}
    tiles = {name: torch.stack([centre_tile(picture, tile) for picture in pictures]) for name, pictures in sets.items()}
    return tiles, {digest(picture) for pictures in sets.values() for picture in pictures}
