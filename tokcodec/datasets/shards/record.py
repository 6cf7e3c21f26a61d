"""What an output of pictures keeps of every shard, beside them: how it is made, and what became of it when it is done.

A folder of pictures has no other place for it, and a tar is written in one go, before its errors are known. The records
are hidden files, `.tokcodec/SHARD.folder.json` or `.tokcodec/SHARD.tar.json` in the output.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import asdict, dataclass

from pyarrow.fs import FileType

from ...errors import SourceError
from ..columns import Recipe
from ..sources.places import Place
from .outcome import Outcome

RECORDS = ".tokcodec"


@dataclass(frozen=True)
class Record:
    """recipe: of the shard; taken: names that others had in its folder when it was begun, which it leaves alone;
    samples, errors: what it came to, None while it is not finished.
    """

    recipe: Recipe
    taken: tuple[str, ...] = ()
    samples: int | None = None
    errors: int | None = None

    def outcome(self, name: str, output: str) -> Outcome | None:
        """As of a run that had nothing left to do here; None where it has."""
        if self.samples is None or self.errors is None:
            return None
        return Outcome(name, output, self.samples, errors=self.errors)

    def save(self, place: Place) -> None:
        """Raises OutputError."""
        place.write(lambda stream: stream.write(json.dumps(asdict(self), sort_keys=True).encode()))


def record_place(output: Place, shard: str, to: str) -> Place:
    """Where the record of a shard lies; shard: its path in the data set."""
    return output / RECORDS / f"{posixpath.splitext(shard)[0]}.{to}.json"


def find_record(place: Place) -> Record | None:
    """The record that is there, None where there is none. Raises SourceError for a damaged one."""
    if place.type() == FileType.NotFound:
        return None
    try:
        with place.stream() as stream:
            found = json.loads(stream.read())
        recipe, taken = Recipe(**found.pop("recipe")), tuple(found.pop("taken"))
        return Record(recipe, taken, **found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SourceError(f"{place.name}: damaged, or not written by tokcodec dataset") from error
