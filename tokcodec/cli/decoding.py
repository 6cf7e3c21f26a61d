"""What the command `decode` does with a file, after its options: to a picture, or to the stages of one."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ..container.bare import from_base64, is_base64
from ..errors import TokError, reason
from ..progressive import animation, is_animation, stages
from .console import Bar, Report
from .jobs import Files, Job, read_tok, run

if TYPE_CHECKING:
    from PIL import Image

    from ..options import DecodeOptions


@dataclass(frozen=True)
class Decoding:
    """How to read files, how to draw them and what to write.

    suffix: in `images.WRITE_FORMATS`; max_bytes: of a file, before all else is done; base64: the file is text.
    """

    report: Report
    options: DecodeOptions
    suffix: str
    max_bytes: int | None
    base64: bool

    def work(self, job: Job, bar: Bar) -> tuple[bytes, str]:
        """The picture in a file, for `jobs.run`."""
        data = self.load(job.source)
        picture = self.draw(job.source, data, self.options, progress=bar)
        used = float(self.options.read(data).counts(self.options.tokens).mean())
        return self._encoded(picture), f"{picture.width}x{picture.height}, {used:.3g} token{'s' * (used != 1)}"

    def write_stages(self, source: str, path: str, files: Files) -> None:
        """The stages of the picture in a file: as the animation `path` if its suffix is of one, else into a folder."""
        with self.report.guard(source):
            data = self.load(source)
            counts = stages(self.options.read(data), self.options.tokens)
            animated = is_animation(path)
            shown = {path: counts}
            if not animated:
                shown = {os.path.join(path, f"{count:03d}{self.suffix}"): [count] for count in counts}

            def work(job: Job, bar: Bar) -> tuple[bytes, str]:
                wanted = shown[job.target]
                # of a cut file the last stage tells
                pictures = [
                    self.draw(source, data, replace(self.options, tokens=count), note=count == counts[-1])
                    for count in wanted
                ]
                made = animation(pictures, os.path.splitext(path)[1]) if animated else self._encoded(pictures[0])
                return made, f"{', '.join(map(str, wanted))} token{'s' * (wanted != [1])}"

            if not animated:
                try:
                    os.makedirs(path, exist_ok=True)
                except OSError as error:
                    raise TokError(f"the folder {path} cannot be made: {reason(error)}") from error
            run([Job(source, target) for target in shown], files, self.report, work)

    def load(self, source: str) -> bytes:
        bare = self.options.container == "bare"
        data = read_tok(source, bare=bare)
        if self.base64:
            data = from_base64(data)
        elif bare and is_base64(data):
            self.report.note(source, "looks like base64 text: --base64 reads that")
        if bare and _has_header(data):
            self.report.note(source, "is a .tok file: without --bare it is read as one")
        return data[: self.max_bytes]

    def draw(
        self,
        source: str,
        data: bytes,
        options: DecodeOptions,
        *,
        note: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> Image.Image:
        from .. import codec

        asked = self.max_bytes is not None and len(data) == self.max_bytes  # a file cut here is no news
        warn = partial(self.report.note, source) if note and not asked else _silent
        return codec.decode_with(data, options, warn=warn, progress=progress)

    def _encoded(self, picture: Image.Image) -> bytes:
        from ..pictures.images import write_picture

        stream = io.BytesIO()
        write_picture(picture, stream, self.suffix)
        return stream.getvalue()


def _has_header(data: bytes) -> bool:
    """Whether the data is a `.tok` file of an installed model, as its check says."""
    from ..models.registry import resolve

    try:
        resolve(data)
    except TokError:
        return False
    return True


def _silent(text: str) -> None:
    pass
