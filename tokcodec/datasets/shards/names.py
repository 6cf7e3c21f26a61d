"""Names of a shard's pictures, from the samples' keys: each is unique and stays inside the output."""

from __future__ import annotations

import posixpath

import pyarrow as pa

from ...errors import TokError
from ..columns import ERROR, KEY, error_line
from ..pack import check_name


class Names:
    """The names of one shard, batch by batch.

    Args:
        suffix: suffix of the pictures, with its dot.
        dots: whether the last part of a name may have dots; in a tar a dot ends the key.
    """

    def __init__(self, suffix: str, *, dots: bool) -> None:
        self.suffix, self.dots = suffix, dots
        self.seen: set[str] = set()
        self.rows = 0

    def of(self, batch: pa.Table) -> tuple[list[str], pa.Table]:
        """Names without suffix, and the batch with an error for every row whose key cannot be a name.

        Such a row is named by its number.
        """
        errors = batch.column(ERROR).to_pylist()
        names = []
        for i, key in enumerate(batch.column(KEY).to_pylist()):
            try:
                names.append(self._name(key))
            except TokError as error:
                errors[i] = errors[i] or error_line(f"{key}{self.suffix}" if key else "", error)
                names.append(self._substitute())
            self.rows += 1
        index = batch.schema.get_field_index(ERROR)
        return names, batch.set_column(index, ERROR, pa.array(errors, pa.string()))

    def _name(self, key: str | None) -> str:
        folder, last = posixpath.split(key or "")
        if not last:
            raise TokError("no key that could name the picture")
        name = posixpath.join(folder, last if self.dots else last.replace(".", "_"))
        check_name(name + self.suffix)
        self._take(name)
        return name

    def _take(self, name: str) -> None:
        plain = posixpath.normpath(name)
        if plain in self.seen:
            raise TokError("another sample has this name")
        self.seen.add(plain)

    def _substitute(self) -> str:
        name = f"row-{self.rows:08d}"
        while name in self.seen:
            name += "_"
        self.seen.add(name)
        return name
