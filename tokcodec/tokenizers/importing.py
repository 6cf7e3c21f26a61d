"""Imports published checkpoints into the user's folder of models.

Only a source that starts with `hf:` is downloaded. No code in a checkpoint is run.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileError
from ..models.manifest import CARD
from ..models.modelfile import Model, write_model
from ..models.registry import free_folder, user_folder
from ..models.weights import MAX_FILE_BYTES
from ..regularfile import open_regular
from .fitting import TABLES_LINE, tokens_of
from .published.limits import limit
from .published.source import HUB, download, find_checkpoint, read_checkpoint, unwrapped

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ..container.tables import FrequencyTables
    from .published.checkpoint import Variant


def import_model(
    source: str | Path,
    name: str,
    *,
    vae: str | Path | None = None,
    other_look: str | Path | None = None,
    target_error: float | None = None,
    fit_tables: Path | None = None,
    licence: str | None = None,
    dest: Path | None = None,
    overwrite: bool = False,
) -> Model:
    """Check a checkpoint and write it as a model.

    Args:
        source: a folder with one checkpoint, such a file, or `hf:ORG/NAME[@REVISION][:FILE]`.
        name: name of the model.
        vae: as `source`, the autoencoder of FLUX.2 for flux2-1d-tokenizer. Default: `source` holds all entries.
        other_look: as `source`, the checkpoint `base` of flux2-1d-tokenizer, where `source` is `sharp`. Default: one
            look.
        target_error: mean absolute error of pixels in [0, 1] for which KARL keeps tokens. Default: 0.05.
        fit_tables: folder of pictures on which to fit the entropy tables. Default: uniform tables.
        licence: licence of the weights. Default: the one in the folder's card.
        dest: folder of models. Default: the user's.
        overwrite: replace a model of the same name.

    Raises:
        ModelFileError: the checkpoint cannot be read or has wrong entries, which are named.
        UnknownModelError: the source does not exist, or cannot be downloaded.
        PictureError: `fit_tables` holds no picture.
        OutputError: the name is taken, or the folder is not writable.
        ValueError: the name is not valid, or a target error is given for another tokenizer.
    """
    folder = free_folder(name, dest or user_folder(), overwrite)
    origin = str(source) if str(source).startswith(HUB) else Path(source).expanduser().absolute().name
    if origin.startswith(HUB) and (reason := limit(origin)):  # before a large download
        raise ModelFileError(f"{origin}: {reason}")
    file = _file_of(source)
    others = [None if other is None else _file_of(other) for other in (vae, other_look)]

    from ..container.tables import FrequencyTables
    from . import need_torch

    need_torch("importing a checkpoint")
    from .published.catalogue import recognise
    from .published.checkpoint import UnknownCheckpointError

    try:
        family, key, state = recognise(_joined(file, *others))
        if target_error is not None:
            state = family.aiming_at(target_error, state)
        tensors = {entry: _to_numpy(entry, tensor) for entry, tensor in state.items()}
        variant = family.variants[key]
        layout = variant.layout
        if fit_tables is None:
            tables = family.first_tables(layout)
        else:
            tables = FrequencyTables.fit(tokens_of(family(state), fit_tables), layout.radices)
    except UnknownCheckpointError as error:
        raise ModelFileError(f"{file}: {limit(str(file)) or error}") from error
    except ModelFileError as error:
        raise ModelFileError(f"{file}: {error}") from error

    licence = licence or _licence_of(file.parent) or "not stated"
    return write_model(
        folder,
        name=name,
        family=family.family,
        tables=[tables],
        tensors=tensors,
        hashed=family.hashed,
        tile=layout.tile,
        ordered=variant.ordered,
        default_tokens=variant.default_tokens,
        licence=licence,
        description=f"{variant.title}, imported from {origin}; {variant.note}{variant.terms}",
        card=_card(name, origin, variant, licence, None if fit_tables else tables),
        metadata={
            "family": family.family,
            "variant": key,
            "tokens": str(layout.n_tokens),
            "codebook": layout.codes,
            "licence": licence,
            "source": origin,
        },
        overwrite=overwrite,
    )


def _file_of(source: str | Path) -> Path:
    """The file of a source, downloaded if it is on the Hugging Face hub."""
    return download(str(source)) if str(source).startswith(HUB) else find_checkpoint(Path(source).expanduser())


def _joined(file: Path, vae: Path | None, other_look: Path | None) -> dict[Any, Any]:
    """The entries of a checkpoint, with those of an autoencoder under `vae.` and those of another look."""
    from .published.checkpoint import checked_tensors
    from .published.flux2 import with_looks

    entries = unwrapped(read_checkpoint(file))
    if other_look is not None:
        entries = with_looks(checked_tensors(entries), checked_tensors(unwrapped(read_checkpoint(other_look))))
    if vae is not None:
        found = unwrapped(read_checkpoint(vae))
        entries |= {f"vae.{str(name).removeprefix('vae.')}": entry for name, entry in found.items()}
    return entries


def _to_numpy(name: str, tensor: Tensor) -> NDArray[Any]:
    """A float16 tensor as float16, any other as float32, since NumPy has no bfloat16."""
    import torch

    if not bool(tensor.isfinite().all()):
        raise ModelFileError(f"the entry `{name}` holds values that are not finite")
    return (tensor if tensor.dtype == torch.float16 else tensor.float()).numpy()


def _licence_of(folder: Path) -> str | None:
    """The licence in the front matter of a Hugging Face card; None if there is none."""
    try:
        with open_regular(folder / CARD, MAX_FILE_BYTES) as file:
            text = file.read(1 << 16).decode("utf-8", "replace")
            found = re.search(r"^licen[sc]e:\s*['\"]?([\w.+-]+)", text, re.MULTILINE)
    except (OSError, ValueError):
        return None
    return found[1] if found else None


def _card(name: str, origin: str, variant: Variant, licence: str, first: FrequencyTables | None) -> str:
    """The text about an imported model. `first` are its entropy tables, unless they were fitted."""
    from ..container.tables import TOTAL

    tables = "fitted on a folder of pictures when it was imported"
    if first is not None:
        bits = sum(math.log2(TOTAL / counts.min()) for counts in first.counts)
        tables = f"not learned: a token costs at most {bits:.4g} bits; `tokcodec models fit-tables` learns them"
    return (
        f"# {name}\n\n"
        f"{variant.title}: the published weights without changes, imported from {origin}.\n\n"
        f"- tokens per tile: {variant.layout.n_tokens}, {variant.default_tokens} kept by default\n"
        f"- {variant.note}\n"
        f"{TABLES_LINE}{tables}\n"
        f"- stated licence of the weights: {licence}{variant.terms}\n"
    )
