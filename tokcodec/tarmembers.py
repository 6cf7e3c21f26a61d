"""Reads the members of a tar with bounded memory for their headers, for any sizes that they declare."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import Any

MAX_HEADER = 1 << 20
"""Bytes of one extended header: a long name, or the keys and values of PAX. `tarfile` reads it whole."""
EXTENDED = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
DAMAGE = (tarfile.TarError, EOFError, ValueError, IndexError, OverflowError, RecursionError)
"""What `tarfile` raises for damaged headers."""


class BoundedMember(tarfile.TarInfo):
    """A member for `tarfile.open(tarinfo=...)`: refuses large headers, and never reads the map of a sparse file."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """Read the rest of the header: `tarfile` names this method as the one to override in a subclass."""
        if self.size < 0:
            raise tarfile.ReadError(f"a member of {self.size} bytes")
        if self.type in EXTENDED and self.size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {self.size} bytes, more than {MAX_HEADER}")
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]  # not in the stubs
        return member

    def _proc_sparse(self, archive: Any) -> tarfile.TarInfo:
        """GNU's own format: skip the blocks of the map."""
        _, extended, size = self._sparse_structs  # type: ignore[attr-defined]
        del self._sparse_structs  # type: ignore[attr-defined]
        while extended:
            block = archive.fileobj.read(tarfile.BLOCKSIZE)
            if len(block) < tarfile.BLOCKSIZE:
                raise tarfile.ReadError("unexpected end of data")
            extended = bool(block[504])
        self.offset_data = archive.fileobj.tell()
        archive.offset = self.offset_data + self._block(self.size)  # type: ignore[attr-defined]
        self.size, self.sparse = size, []  # type: ignore[assignment]
        return self

    def _proc_gnusparse_00(self, member: Any, *_: object) -> None:
        """PAX, version 0.0."""
        member.sparse = []

    _proc_gnusparse_01 = _proc_gnusparse_00  # version 0.1
    _proc_gnusparse_10 = _proc_gnusparse_00  # version 1.0, whose map precedes the data


def members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yields the members of an archive, and keeps one at a time. Raises one of DAMAGE for damaged headers."""
    offset = -1
    for member in archive:
        archive.members = []  # type: ignore[attr-defined]  # else it keeps all of them
        if archive.offset <= offset:
            raise tarfile.ReadError("the members overlap")
        offset = archive.offset
        yield member
