"""Imports published One-D-Piece and TiTok checkpoints into the user's folder of models.

Only a source that starts with `hf:` is downloaded. No code in a checkpoint is run.
"""

from __future__ import annotations

import logging
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileError, OutputError, PictureError, TokError, UnknownModelError, need
from ..models.folders import current_folder
from ..models.modelfile import CARD, MAX_FILE_BYTES, NAME, Model, write_model
from ..models.registry import installed, user_folder
from ..regularfile import open_regular
from ..tensorfile import check_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ..container.tables import FrequencyTables
    from .titok import Titok, Variant

HUB = "hf:"
CHECKPOINTS = ("model.safetensors", "pytorch_model.bin")
"""Names of the file in a Hugging Face folder, the preferred one first."""
HASHED = ("decoder.", "quantize.", "pixel_quantize.", "pixel_decoder.")
"""Prefixes of the entries that decoding uses."""
FIT_BATCH = 16
"""Pictures encoded at once."""

_REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_WRAPPERS = re.compile(r"(^|\.)(?:(?:module|_orig_mod)\.)+")
_log = logging.getLogger(__name__)


def import_model(
    source: str | Path,
    name: str,
    *,
    fit_tables: Path | None = None,
    licence: str | None = None,
    dest: Path | None = None,
    overwrite: bool = False,
) -> Model:
    """Check a checkpoint and write it as a model.

    Args:
        source: a folder with `model.safetensors` or `pytorch_model.bin`, one such file, or `hf:ORG/NAME[@REVISION]`.
        name: name of the model.
        fit_tables: folder of pictures on which to fit the entropy tables. Default: uniform tables.
        licence: licence of the weights. Default: the one in the folder's card.
        dest: folder of models. Default: the user's.
        overwrite: replace a model of the same name.

    Raises:
        ModelFileError: the checkpoint cannot be read or has wrong entries, which are named.
        UnknownModelError: the source does not exist, or cannot be downloaded.
        PictureError: `fit_tables` holds no picture.
        OutputError: the name is taken, or the folder is not writable.
        ValueError: the name is not valid.
    """
    folder = _free_folder(name, dest or user_folder(), overwrite)
    origin = str(source) if str(source).startswith(HUB) else Path(source).expanduser().absolute().name
    file = download(origin) if origin.startswith(HUB) else find_checkpoint(Path(source).expanduser())

    from ..container.tables import FrequencyTables
    from . import need_torch

    need_torch("importing a checkpoint")
    from .titok import RADICES, VARIANTS, Titok, check_state_dict
    from .titok_modules import CODE_WIDTH, CODEBOOK

    try:
        key, state = check_state_dict(unwrapped(read_checkpoint(file)))
        tensors = {entry: _to_numpy(entry, tensor) for entry, tensor in state.items()}
        variant = VARIANTS[key]
        layout = variant.layout
        if fit_tables is None:
            tables = FrequencyTables.uniform(layout.n_tokens, RADICES)
        else:
            tables = _fit(Titok(state), fit_tables)
    except ModelFileError as error:
        raise ModelFileError(f"{file}: {error}") from error

    licence = licence or _licence_of(file.parent) or "not stated"
    return write_model(
        folder,
        name=name,
        family=Titok.family,
        tables=[tables],
        tensors=tensors,
        hashed=HASHED,
        ordered=variant.ordered,
        default_tokens=variant.default_tokens,
        licence=licence,
        description=f"{variant.title}, imported from {origin}; {variant.note}",
        card=_card(name, origin, variant, licence, fitted=fit_tables is not None),
        metadata={
            "family": Titok.family,
            "variant": key,
            "tokens": str(layout.n_tokens),
            "codebook": f"{CODEBOOK}x{CODE_WIDTH}",
            "licence": licence,
            "source": origin,
        },
        overwrite=overwrite,
    )


def find_checkpoint(path: Path) -> Path:
    """The checkpoint in a folder, or the file itself. Raises UnknownModelError if there is none."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise UnknownModelError(f"{path}: no such file or folder")
    for name in CHECKPOINTS:
        if (path / name).is_file():
            return path / name
        if (path / f"{name}.index.json").is_file():
            raise ModelFileError(f"{path}: the checkpoint is split into several files; a single {name} is needed")
    raise UnknownModelError(f"{path}: holds neither {' nor '.join(CHECKPOINTS)}")


def download(source: str) -> Path:
    """Download the checkpoint of `hf:ORG/NAME[@REVISION]`, and its card, to the Hugging Face cache.

    Raises ValueError for another form, MissingPackageError without the `hub` extra, and UnknownModelError if the
    repository does not exist or cannot be reached.
    """
    match = _REPOSITORY.fullmatch(source.removeprefix(HUB))
    if not match:
        raise ValueError(f"{source!r} is not of the form {HUB}ORG/NAME or {HUB}ORG/NAME@REVISION")
    repository, revision = match.groups()
    need("huggingface_hub", f"{source}: downloading", extra="hub")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for name in CHECKPOINTS:
        try:
            file = Path(hf_hub_download(repository, name, revision=revision))
            break
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError):  # neither a connection nor a cached copy
                raise _not_fetched(source, error) from error
        except Exception as error:  # errors of the client, and of its HTTP library
            raise _not_fetched(source, error) from error
    else:
        raise UnknownModelError(f"{source}: the repository holds neither {' nor '.join(CHECKPOINTS)}")
    try:
        hf_hub_download(repository, CARD, revision=revision)  # for the licence
    except Exception as error:
        _log.warning("%s: no card (%s)", source, _first_line(error))
    return file


def read_checkpoint(file: Path) -> Mapping[Any, Any]:
    """Entries by name of a safetensors file, or of a PyTorch pickle that holds only tensors.

    Raises ModelFileError if the file is damaged, is not a dictionary, or is a pickle that names code to run.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if file.suffix == ".safetensors":
        try:
            check_header(file, MAX_FILE_BYTES)
            return load_file(file)
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelFileError(f"not readable as safetensors ({_first_line(error)})") from error
    try:
        open_regular(file, MAX_FILE_BYTES).close()
        entries = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can make an unpickler raise anything
        if isinstance(error, pickle.UnpicklingError):  # its text would advise the user to allow the code
            code = re.search(r"GLOBAL ([\w.]+)", str(error))
            what = f"names {code[1]}" if code else "is damaged, or would run code"
            raise ModelFileError(f"refused: the pickle {what}, and only plain tensors are read") from error
        raise ModelFileError(f"not readable as a PyTorch checkpoint ({_first_line(error)})") from error
    if not isinstance(entries, dict):
        raise ModelFileError(f"holds a {type(entries).__name__} instead of a dictionary of tensors")
    return entries


def unwrapped(entries: Mapping[Any, Any]) -> dict[Any, Any]:
    """Entries by their names in the model, without the prefixes of wrappers.

    Data parallel training adds `module.`
    and `torch.compile` adds `_orig_mod.`, also one in the other, and around a part of the model.

    Args:
        entries: entries of a checkpoint by name.

    Raises:
        ModelFileError: two entries would have one name.
    """
    names = {name: _WRAPPERS.sub(r"\1", name) if isinstance(name, str) else name for name in entries}
    if len(set(names.values())) < len(names):
        raise ModelFileError("it holds entries twice, with and without `module.` or `_orig_mod.`")
    return {names[name]: value for name, value in entries.items()}


def _free_folder(name: str, place: Path, overwrite: bool) -> Path:
    """The folder of the new model. Checks its name and the folder before any work is done."""
    if not NAME.fullmatch(name):
        raise ValueError(f"a model's name is letters, digits, '.', '_' and '-', at most 64, not {name!r}")
    folder = place / name
    old = current_folder(folder)
    for model in installed():
        if model.name == name and not (overwrite and model.path.resolve() == old.resolve()):
            raise OutputError(f"{model.path}: a model named {name!r} exists already")
    if old.exists() and not overwrite:
        raise OutputError(f"{folder}: exists already")
    return folder


def _to_numpy(name: str, tensor: Tensor) -> NDArray[Any]:
    """A float16 tensor as float16, any other as float32, since NumPy has no bfloat16."""
    import torch

    if not bool(tensor.isfinite().all()):
        raise ModelFileError(f"the entry `{name}` holds values that are not finite")
    return (tensor if tensor.dtype == torch.float16 else tensor.float()).numpy()


def _fit(tokenizer: Titok, folder: Path) -> FrequencyTables:
    """Tables fitted on the tokens of the centre squares of a folder's pictures."""
    import numpy as np
    import torch

    from ..container.tables import FrequencyTables
    from .titok import RADICES

    tokens = []
    for batch in _batches(_tiles(folder)):
        tiles = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2)
        tokens.append(tokenizer.encode(tiles.float() / 255).numpy())
    if not tokens:
        raise PictureError(f"{folder}: no picture to fit tables on")
    return FrequencyTables.fit(np.concatenate(tokens), RADICES, tokenizer.n_tokens)


def _tiles(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the centre squares of a folder's pictures, uint8 [256, 256, 3], resized as in the models' training."""
    import numpy as np
    from PIL.Image import Resampling

    from ..pictures.images import read_picture
    from ..pictures.tiling import TILE, centre_square

    for file in sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")):
        try:
            picture = read_picture(file, warn=_log.debug)
        except TokError as error:
            _log.warning("%s: skipped (%s)", file, error)
            continue
        yield np.asarray(centre_square(picture, TILE, Resampling.BICUBIC))


def _batches(items: Iterator[Any]) -> Iterator[list[Any]]:
    from itertools import islice

    while batch := list(islice(items, FIT_BATCH)):
        yield batch


def _licence_of(folder: Path) -> str | None:
    """The licence in the front matter of a Hugging Face card; None if there is none."""
    try:
        with open_regular(folder / CARD, MAX_FILE_BYTES) as file:
            text = file.read(1 << 16).decode("utf-8", "replace")
            found = re.search(r"^licen[sc]e:\s*['\"]?([\w.+-]+)", text, re.MULTILINE)
    except (OSError, ValueError):
        return None
    return found[1] if found else None


def _card(name: str, origin: str, variant: Variant, licence: str, *, fitted: bool) -> str:
    tables = "fitted on a folder of pictures when it was imported" if fitted else "uniform: every token costs 12 bits"
    return (
        f"# {name}\n\n"
        f"{variant.title}: the published weights without changes, imported from {origin}.\n\n"
        f"- tokens per tile: {variant.layout.n_tokens}, {variant.default_tokens} kept by default\n"
        f"- {variant.note}\n"
        f"- entropy tables: {tables}\n"
        f"- stated licence of the weights: {licence}{variant.terms}\n"
    )


def _not_fetched(source: str, error: Exception) -> UnknownModelError:
    return UnknownModelError(
        f"{source}: cannot be downloaded ({_first_line(error)}); "
        "without a network, copy the repository's folder to this machine and import it by its path"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
