"""Learns the entropy tables of a model from the tokens of pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileError, OutputError, PictureError, TokError
from ..models.manifest import CARD
from ..models.modelfile import Model
from ..models.registry import free_folder
from ..models.rewriting import rewrite_model
from ..models.weights import load_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .base import Tokenizer

FIT_BATCH = 16
"""Pictures encoded at once."""
TABLES_LINE = "- entropy tables: "
"""Start of the card's line about the tables."""

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def refit(
    model: Model,
    pictures: Path,
    name: str | None = None,
    *,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[Model, float, float]:
    """Write a model again with entropy tables that are learned from pictures.

    The new model has another hash: files of the old one need the old one.

    Args:
        model: a model with one scale.
        pictures: folder of pictures.
        name: name of the new model, beside the old one. Default: the old name, which needs `overwrite`.
        device: "auto", "cpu" or "cuda". Default: "auto".
        overwrite: replace a model of that name.
        progress: called with (pictures done, pictures in all).

    Returns:
        The new model, and the bits of a token on these pictures with the old and the new tables.

    Raises:
        PictureError: the folder holds no picture.
        OutputError: the name is taken, or the folder is not writable.
        ModelFileError: the model has several scales, whose tables are learned in training.
        ValueError: the name is not valid.
    """
    from ..container.tables import FrequencyTables
    from . import load_tokenizer

    if model.scales:
        raise ModelFileError(f"{model.path}: has tables for each of its scales, which training fits")
    name = name or model.name
    if name == model.name and not overwrite:
        raise OutputError(
            f"{model.path}: files made with {name} need its present tables; give the new model another --name, "
            "or replace it with --force"
        )
    folder = free_folder(name, model.path.parent, overwrite)
    tokens = tokens_of(load_tokenizer(model, device), pictures, progress)
    tables = FrequencyTables.fit(tokens, model.radices)
    before, after = (float(each.bits(tokens).mean()) for each in (model.tables[0], tables))
    card = (model.path / CARD).read_text(encoding="utf-8") if (model.path / CARD).is_file() else ""
    written = rewrite_model(
        model,
        folder,
        tensors=load_weights(model.weights_path),
        card=_with_tables(card, f"learned from {len(tokens)} pictures"),
        name=name,
        tables=[tables],
        overwrite=overwrite,
    )
    return written, before, after


def tokens_of(tokenizer: Tokenizer, folder: Path, progress: Progress | None = None) -> NDArray[np.int64]:
    """The tokens of the centre squares of a folder's pictures, resized as in the training of published models.

    Args:
        tokenizer: the tokenizer.
        folder: folder of pictures. Files that are no pictures are skipped with a warning.
        progress: called with (pictures done, pictures in all).

    Returns:
        int64 [pictures, n_tokens].

    Raises:
        PictureError: the folder holds no picture.
    """
    import numpy as np

    from .tiles import tokenise

    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    tokens, done = [], 0
    for batch in _batches(_squares(files, tokenizer.tile)):
        tokens.append(tokenise(tokenizer, np.stack(batch), tokenizer.n_tokens))
        done += len(batch)
        if progress:
            progress(done, len(files))
    if not tokens:
        raise PictureError(f"{folder}: no picture to fit tables on")
    return np.concatenate(tokens)


def _squares(files: list[Path], side: int) -> Iterator[NDArray[np.uint8]]:
    import numpy as np
    from PIL.Image import Resampling

    from ..pictures.images import read_picture
    from ..pictures.tiling import centre_square

    for file in files:
        try:
            picture = read_picture(file, warn=_log.debug)
        except TokError as error:
            _log.warning("%s: skipped (%s)", file, error)
            continue
        yield np.asarray(centre_square(picture, side, Resampling.BICUBIC))


def _batches(items: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(items, FIT_BATCH)):
        yield batch


def _with_tables(card: str, text: str) -> str:
    """The card with another line about its tables."""
    lines = card.splitlines()
    for place, line in enumerate(lines):
        if line.startswith(TABLES_LINE):
            lines[place] = TABLES_LINE + text
    return "".join(f"{line}\n" for line in lines)
