"""What the command `decode` does with a file, after its options: to a picture, or to the stages of one."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..container.bare import from_base64
from ..errors import TokError
from ..pictures.files import reason
from ..progressive import animation, is_animation, stages
from .console import Bar, Report
from .jobs import Files, Job, read_tok, run

if TYPE_CHECKING:
    from PIL import Image

    from ..container.contents import Contents
    from ..models.modelfile import Model


@dataclass(frozen=True)
class Decoding:
    """How to read files and how to draw them; as in `codec.decode` where not said otherwise.

    max_bytes: of a file, before all else is done; base64: the file is text; suffix: in `images.WRITE_FORMATS`.
    """

    report: Report
    suffix: str
    tokens: int | None
    max_bytes: int | None
    container: str
    base64: bool
    size: tuple[int, int] | None
    look: str | None
    model: str | None
    device: str
    dtype: str
    max_pixels: int

    def work(self, job: Job, bar: Bar) -> tuple[bytes, str]:
        """The picture in a file, for `jobs.run`."""
        data = self.load(job.source)
        picture = self.draw(job.source, data, self.tokens, progress=bar)
        used = float(self.contents(data).counts(self.tokens).mean())
        return self._encoded(picture), f"{picture.width}x{picture.height}, {used:.3g} token{'s' * (used != 1)}"

    def write_stages(self, source: str, path: str, files: Files) -> None:
        """The stages of the picture in a file: as the animation `path` if its suffix is of one, else into a folder."""
        with self.report.guard(source):
            data = self.load(source)
            counts = stages(self.contents(data), self.tokens)
            animated = is_animation(path)
            shown = {path: counts}
            if not animated:
                shown = {os.path.join(path, f"{count:03d}{self.suffix}"): [count] for count in counts}

            def work(job: Job, bar: Bar) -> tuple[bytes, str]:
                wanted = shown[job.target]
                # of a cut file the last stage tells
                pictures = [self.draw(source, data, count, note=count == counts[-1]) for count in wanted]
                made = animation(pictures, os.path.splitext(path)[1]) if animated else self._encoded(pictures[0])
                return made, f"{', '.join(map(str, wanted))} token{'s' * (wanted != [1])}"

            if not animated:
                try:
                    os.makedirs(path, exist_ok=True)
                except OSError as error:
                    raise TokError(f"the folder {path} cannot be made: {reason(error)}") from error
            run([Job(source, target) for target in shown], files, self.report, work)

    def load(self, source: str) -> bytes:
        data = read_tok(source, bare=self.container == "bare")
        return (from_base64(data) if self.base64 else data)[: self.max_bytes]

    def contents(self, data: bytes) -> Contents[Model]:
        from ..tokfile import read

        return read(data, self.model, container=self.container, size=self.size, max_pixels=self.max_pixels)

    def draw(
        self,
        source: str,
        data: bytes,
        tokens: int | None,
        *,
        note: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> Image.Image:
        from .. import codec

        asked = self.max_bytes is not None and len(data) == self.max_bytes  # a file cut here is no news
        return codec.decode(
            data,
            tokens=tokens,
            look=self.look,
            container=self.container,
            size=self.size,
            device=self.device,
            dtype=self.dtype,
            model=self.model,
            max_pixels=self.max_pixels,
            warn=partial(self.report.note, source) if note and not asked else _silent,
            progress=progress,
        )

    def _encoded(self, picture: Image.Image) -> bytes:
        from ..pictures.images import write_picture

        stream = io.BytesIO()
        write_picture(picture, stream, self.suffix)
        return stream.getvalue()


def _silent(text: str) -> None:
    pass
