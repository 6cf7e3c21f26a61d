"""Records of the shards in an output of pictures: the recipe of each, and its outcome when it is finished.

A folder of pictures has no other place for them, and a tar is complete before its errors are known. They are hidden
files, `.tokcodec/SHARD.folder.json` or `.tokcodec/SHARD.tar.json` in the output.
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
    """The record of a shard.

    recipe: how it is made.
    taken: names of files that were in its folder before, and are never overwritten.
    samples, errors: the counts of its outcome; None while it is unfinished.
    """

    recipe: Recipe
    taken: tuple[str, ...] = ()
    samples: int | None = None
    errors: int | None = None

    def outcome(self, name: str, output: str) -> Outcome | None:
        """The stored outcome, or None if the shard is unfinished."""
        if self.samples is None or self.errors is None:
            return None
        return Outcome(name, output, self.samples, errors=self.errors)

    def save(self, place: Place) -> None:
        """Raises OutputError."""
        place.write(lambda stream: stream.write(json.dumps(asdict(self), sort_keys=True).encode()))


def record_place(output: Place, shard: str, to: str) -> Place:
    """The file of a shard's record; shard: the path of the shard in the data set."""
    return output / RECORDS / f"{posixpath.splitext(shard)[0]}.{to}.json"


def find_record(place: Place) -> Record | None:
    """The record in a file, None if there is none. Raises SourceError for a damaged one."""
    if place.type() == FileType.NotFound:
        return None
    try:
        with place.stream() as stream:
            found = json.loads(stream.read())
        recipe, taken = Recipe(**found.pop("recipe")), tuple(found.pop("taken"))
        return Record(recipe, taken, **found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SourceError(f"{place.name}: damaged, or not written by tokcodec dataset") from error
