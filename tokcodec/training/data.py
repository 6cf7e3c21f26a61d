"""Training pictures: folders or tar archives to random 256x256 crops.

A crop, its antialiased resampling and the first DCT frequencies are all linear along each axis, so a training vector is
`M_y @ picture @ M_x^T` with two small cached matrices; pixels are never resized one by one.
"""

from __future__ import annotations

import hashlib
import io
import logging
import tarfile
from collections import Counter, deque
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..errors import PictureError, TokError
from ..filetree import walk
from ..pictures.axes import dct_matrix, lanczos_kernel
from ..pictures.images import read_picture
from ..pictures.limits import DEFAULT_MAX_PICTURE_BYTES
from ..pictures.suffixes import PICTURE_SUFFIXES
from ..pictures.tiling import TILE, centre_square
from ..regularfile import read_regular
from ..tarmembers import DAMAGE, BoundedMember, members
from ..tokenizers.transform import COLOURS, TileTransform

log = logging.getLogger(__name__)

MIN_SIDE = TILE
"""Smaller pictures are skipped: enlarged ones would teach blur."""
STORED_SIDE = 320
"""Larger pictures are reduced to this short side, so that a data set fits in memory."""
ZOOMS = 5
"""Sizes of crops for whole pictures: the short side and 15/16 .. 11/16 of it."""
PATCHES = ((), (96, 112, 134, 160, 190), (48, 56, 67, 80, 95), (20, 26, 33, 34, 40, 47))
"""Sizes of crops in pixels for each scale of a model. The first has none of its own: its crops are whole pictures."""
TOO_MANY_BYTES = "too many bytes"
"""Why a file above the limit is skipped."""
AHEAD = 16
"""Picture files in memory at a time. They are read while others are decoded."""
SHIFTS = 16
"""Crop positions along each axis: 0/16 .. 16/16 of the slack."""


def picture_files(sources: Sequence[Path], most: int = DEFAULT_MAX_PICTURE_BYTES) -> Iterator[bytes | str]:
    """Read every picture file in folders (recursively) and tar archives.

    Hidden files and linked folders are left out.

    Args:
        sources: folders and tar archives. The files of a folder are read in sorted order.
        most: bytes of a file at most; a larger one is not read. Default: 256 MiB.

    Returns:
        The bytes of each file, or the reason why it is skipped.

    Raises:
        FileNotFoundError: a source is neither a folder nor a tar archive.
        PictureError: a tar archive is damaged.
    """
    for source in sources:
        if source.is_dir():
            linked: list[str] = []
            found = [Path(entry.path) for _, entry in walk(str(source), linked=linked)]
            if linked:
                log.warning("%s: %d linked folders are left out", source, len(linked))
            for path in sorted(p for p in found if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file()):
                try:
                    yield read_regular(path, most)
                except ValueError:
                    yield TOO_MANY_BYTES
        elif source.is_file() and tarfile.is_tarfile(source):
            try:
                with tarfile.open(source, tarinfo=BoundedMember) as archive:
                    yield from _members(archive, most)
            except DAMAGE as error:
                raise PictureError(f"{source}: not a tar archive, or a damaged one ({error})") from error
        else:
            raise FileNotFoundError(f"{source}: not a folder and not a tar archive")


def _members(archive: tarfile.TarFile, most: int) -> Iterator[bytes | str]:
    for member in members(archive):
        if Path(member.name).suffix.lower() not in PICTURE_SUFFIXES or member.isdir():
            continue
        if not member.isfile():
            yield "link or device"
        elif member.issparse() or member.size > most:
            yield TOO_MANY_BYTES
        else:
            stream = archive.extractfile(member)
            assert stream is not None  # it is a file
            yield stream.read()


def read_training_picture(data: bytes) -> torch.Tensor | str:
    """Decode one picture to uint8 3 x H x W with short side 256..320, or return the reason why it is skipped."""
    try:
        picture = read_picture(io.BytesIO(data), warn=lambda note: None)
    except TokError as error:
        return type(error).__name__
    short = min(picture.size)
    if short < MIN_SIDE:
        return "too small"
    if short > STORED_SIDE:
        factor = STORED_SIDE / short
        picture = picture.resize(
            (round(picture.width * factor), round(picture.height * factor)), Image.Resampling.LANCZOS
        )
    return torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy())


def digest(picture: torch.Tensor) -> bytes:
    """Identity of a picture's pixels."""
    return hashlib.sha256(picture.numpy().tobytes()).digest()


def load_pictures(sources: Sequence[Path], exclude: Set[bytes] = frozenset()) -> list[torch.Tensor]:
    """Read all pictures into memory (uint8 3 x H x W, about 0.3 MB each) except those whose `digest` is excluded.

    Raises PictureError if none is usable, and as `picture_files`.
    """
    pictures: list[torch.Tensor] = []
    skipped: Counter[str] = Counter()
    for result in _decoded(picture_files(sources)):
        if isinstance(result, str):
            skipped[result] += 1
        elif digest(result) in exclude:
            skipped["in validation"] += 1
        else:
            pictures.append(result)
    if skipped:
        log.warning("skipped pictures: %s", ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())))
    if not pictures:
        raise PictureError(f"no usable picture (short side at least {MIN_SIDE}) in {', '.join(map(str, sources))}")
    return pictures


def _decoded(files: Iterator[bytes | str]) -> Iterator[torch.Tensor | str]:
    """The pictures of files in their order, decoded by threads; the reason instead of one that is skipped."""
    with ThreadPoolExecutor(4) as pool:
        waiting: deque[Future[torch.Tensor | str]] = deque()
        for data in files:
            waiting.append(pool.submit(lambda one: one if isinstance(one, str) else read_training_picture(one), data))
            if len(waiting) == AHEAD:
                yield waiting.popleft().result()
        yield from (one.result() for one in waiting)


def resampling_matrix(length: int, start: float, size: float) -> torch.Tensor:
    """The matrix that resamples a part of an axis by Lanczos, as `tiling.cut` does it.

    Args:
        length: pixels of the axis.
        start: first pixel of the part, may lie between two.
        size: pixels of the part.

    Returns:
        float32 256 x length.
    """
    scale = max(size / TILE, 1.0)
    centres = start + (np.arange(TILE) + 0.5) * size / TILE
    weights = lanczos_kernel(length, centres, scale)
    return torch.from_numpy((weights / weights.sum(1, keepdims=True)).astype(np.float32))


@cache
def crop_matrix(length: int, size: float, shift: int, frequencies: int) -> torch.Tensor:
    """The matrix that crops and resamples an axis, followed by a DCT if frequencies are asked for.

    Args:
        length: pixels of the axis.
        size: pixels of the crop.
        shift: position of the crop, 0..SHIFTS: the share of the slack before it.
        frequencies: DCT frequencies to keep. 0: no DCT.

    Returns:
        float32 256 x length, or frequencies x length.
    """
    matrix = resampling_matrix(length, (length - size) * shift / SHIFTS, size)
    return torch.from_numpy(dct_matrix(frequencies, TILE).astype(np.float32)) @ matrix if frequencies else matrix


def random_crop(picture: torch.Tensor, rng: np.random.Generator, frequencies: int = 0, scale: int = 0) -> torch.Tensor:
    """One random crop of a picture.

    Args:
        picture: uint8 3 x H x W.
        rng: chooses size and position.
        frequencies: DCT frequencies to keep along each axis. 0: pixels.
        scale: scale of the model, see PATCHES.

    Returns:
        float32 3 x 256 x 256 in [0, 1], or 3 x frequencies x frequencies, the DCT of red, green and blue.
    """
    _, height, width = picture.shape
    short = min(height, width)
    if PATCHES[scale]:
        size = float(rng.choice(PATCHES[scale]))
    else:
        size = short * (1.0 if rng.random() < 0.5 else rng.integers(16 - ZOOMS, 16) / 16)
    down, across = (int(v) for v in rng.integers(0, SHIFTS + 1, 2))
    rows = crop_matrix(height, size, down, frequencies)
    columns = crop_matrix(width, size, across, frequencies)
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


def centre_tile(picture: torch.Tensor) -> torch.Tensor:
    """Short side to 256 (Lanczos), then the centre: uint8 3 x H x W -> float32 3 x 256 x 256 in [0, 1]."""
    tile = np.asarray(centre_square(Image.fromarray(picture.permute(1, 2, 0).numpy()), TILE))
    return torch.from_numpy(tile.copy()).permute(2, 0, 1).float() / 255


def load_validation(sources: Sequence[Path]) -> tuple[dict[str, torch.Tensor], set[bytes]]:
    """Centre tiles of each source by its name, and the digests of its pictures, which must not be trained on."""
    sets = {source.name: load_pictures([source]) for source in sources}
    tiles = {name: torch.stack([centre_tile(picture) for picture in pictures]) for name, pictures in sets.items()}
    return tiles, {digest(picture) for pictures in sets.values() for picture in pictures}
