"""Finds the installed models, by name or for a `.tok` file. Does not import torch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..container.header import Header, check_header, parse_header
from ..errors import HeaderCheckError, ModelFileError, OutputError, UnknownModelError
from .folders import current_folder, left_aside, remove_folder
from .manifest import MANIFEST, NAME
from .modelfile import Model, check_place, read_model

DEFAULT_MODEL = "base-3"
MODELS_VARIABLE = "TOKCODEC_MODELS"  # a folder of models that replaces the user's own

_PACKAGE = Path(__file__).resolve().parents[1]


def search_path() -> list[Path]:
    """Folders that are searched for models, in order: the package's own, then the user's."""
    folders = [_PACKAGE / "_models"]
    if (_PACKAGE.parent / "pyproject.toml").is_file():  # a checkout
        folders.append(_PACKAGE.parent / "models")
    return [*folders, user_folder()]


def user_folder() -> Path:
    """Folder of the user's models: $TOKCODEC_MODELS, or `tokcodec/models` in the system's folder for user data."""
    if folder := os.environ.get(MODELS_VARIABLE):
        return Path(folder).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("tokcodec")) / "models"


def installed() -> list[Model]:
    """All usable models on the search path. If several have the same name, only the first one."""
    return _scan()[0]


def damaged() -> dict[Path, str]:
    """Folders on the search path that look like models but cannot be used, with the reason."""
    return _scan()[1]


def candidates(model_id: int) -> list[Model]:
    """Installed models with an id, without duplicates of the same hash."""
    return list({model.hash: model for model in reversed(installed()) if model.id == model_id}.values())[::-1]


def find_model(name_or_path: str | Path | None = None) -> Model:
    """Find a model by its name or folder; None: the default model.

    A string with a path separator is a folder. Raises UnknownModelError, or ModelFileError if the model is damaged.
    """
    wanted = DEFAULT_MODEL if name_or_path is None else name_or_path
    if isinstance(wanted, Path) or os.sep in wanted or "/" in wanted:
        return read_model(Path(wanted).expanduser())
    models, reasons = _scan()
    for model in models:
        if model.name == wanted:
            return model
    for folder, reason in reasons.items():
        if folder.name == wanted:
            raise ModelFileError(reason)
    if (Path(wanted) / MANIFEST).is_file():
        return read_model(Path(wanted))
    raise UnknownModelError(f"no model named {wanted!r}; {_listing(models, reasons)}")


def resolve(data: bytes, model: Model | None = None) -> tuple[Header, Model]:
    """Parse and check the header of a file, and find its model: the given one, or an installed one.

    Raises as `parse_header`, and UnknownModelError if no model has the id, HeaderCheckError if one has but the check
    fails.
    """
    header = parse_header(data)
    if model is not None:
        if header.model_id != model.id:
            raise UnknownModelError(f"was made with model id {header.model_id:02x}, not with {_label(model)}")
        models = [model]
    else:
        models = candidates(header.model_id)
        if not models:
            found, reasons = _scan()
            raise UnknownModelError(
                f"needs model id {header.model_id:02x}, which is not installed (`tokcodec models import` installs "
                f"others); {_listing(found, reasons)}"
            )
    for candidate in models:
        if check_header(data, candidate.hash):
            if header.tokens > candidate.n_tokens:
                raise HeaderCheckError(
                    f"declares {header.tokens} tokens per tile; {_label(candidate)} has {candidate.n_tokens}"
                )
            return header, candidate
    names = " or ".join(_label(candidate) for candidate in models)
    raise HeaderCheckError(f"header damaged, or made with another model than {names}")


def describe(model: Model) -> dict[str, Any]:
    """Properties of a model, in types of JSON."""
    size = sum(file.stat().st_size for file in model.path.iterdir() if file.is_file())
    return {
        "name": model.name,
        "id": f"{model.id:02x}",
        "hash": model.hash.hex(),
        "family": model.family,
        "tokens": model.n_tokens,
        "default_tokens": model.default_tokens,
        "ordered": model.ordered,
        "radices": list(model.radices),
        "tile": model.tile,
        "licence": model.licence,
        "description": model.description,
        "path": str(model.path),
        "bytes": size,
    }


def remove_model(name: str) -> Path:
    """Delete a model, usable or damaged, from the user's folder of models. Returns its path.

    Raises UnknownModelError if there is none, and OutputError if it is not in the user's folder or cannot be deleted.
    """
    folders = [model.path for model in installed() if model.name == name]
    folders += [folder for folder in damaged() if folder.name == name]
    if not folders:
        raise UnknownModelError(f"no model named {name!r}")
    folder = folders[0]
    if folder.parent.resolve() != user_folder().resolve():
        raise OutputError(f"{folder}: is part of tokcodec; only models in {user_folder()} can be removed")
    try:
        remove_folder(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be removed ({error.strerror or error})") from error
    return folder


def free_folder(name: str, place: Path, overwrite: bool) -> Path:
    """The folder of a new model, checked before any work is done.

    Args:
        name: name of the model.
        place: folder of models.
        overwrite: whether a model there may be replaced.

    Raises:
        OutputError: the name is taken.
        ValueError: the name is not valid.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"a model's name is letters, digits, '.', '_' and '-', at most 64, not {name!r}")
    folder = place / name
    old = current_folder(folder)
    for model in installed():
        if model.name == name and not (overwrite and model.path.resolve() == old.resolve()):
            raise OutputError(f"{model.path}: a model named {name!r} exists already")
    check_place(folder, overwrite)
    return folder


def _scan() -> tuple[list[Model], dict[Path, str]]:
    """Usable models, and the reasons by folder why others are not. Folders without a manifest are ignored."""
    models: dict[str, Model] = {}
    reasons: dict[Path, str] = {}
    for folder in (child for place in search_path() for child in _children(place)):
        try:
            if (current_folder(folder) / MANIFEST).is_file():
                model = read_model(folder)
                models.setdefault(model.name, model)
        except (ModelFileError, OSError) as error:
            reasons[folder] = str(error)
    return list(models.values()), reasons


def _children(place: Path) -> Iterator[Path]:
    try:
        children = [child for child in place.iterdir() if not child.name.startswith(".")]
        yield from sorted([*children, *left_aside(place)])
    except OSError:  # missing or not readable
        return


def _label(model: Model) -> str:
    return f"{model.name!r} (id {model.id:02x})"


def _listing(models: Sequence[Model], reasons: Mapping[Path, str]) -> str:
    text = "installed: " + (", ".join(f"{model.name} ({model.id:02x})" for model in models) or "none")
    return text + "".join(f"; skipped {reason}" for reason in reasons.values())
