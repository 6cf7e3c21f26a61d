"""The work of the command `decode` on one file: drawing its picture, or the stages of the picture."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ..container.bare import from_base64, is_base64, url_model
from ..errors import NotTokError, TokError, reason
from ..models.manifest import NAME
from ..progressive import animation, is_animation, stages
from .console import Bar, Report
from .jobs import Files, Job, read_tok, run

if TYPE_CHECKING:
    from PIL import Image

    from ..contents import Contents
    from ..options import DecodeOptions
    from ..pictures.images import Warn


@dataclass(frozen=True)
class Decoding:
    """How to read files, how to draw them and how to write the pictures."""

    report: Report
    """Gets the notes."""
    options: DecodeOptions
    """How to read and draw."""
    suffix: str
    """Suffix of the pictures, a key of `images.WRITE_FORMATS`."""
    max_bytes: int | None
    """Use at most this many bytes of a file. None: all."""
    base64: bool
    """Files are base64 text."""

    def work(self, job: Job, bar: Bar) -> tuple[bytes, str]:
        """Draw the picture of a file, for `jobs.run`."""
        from .. import codec

        contents, warn = self.load(job.source)
        picture = codec.draw(contents, self.options, warn=warn, progress=bar)
        used = int(contents.counts(self.options.tokens).sum())
        text = f"{picture.width}x{picture.height}, {used} token{'s' * (used != 1)}"
        if contents.tiles > 1:
            text += f", {used / contents.tiles:.1f} per tile on average"
        return self._encoded(picture), text

    def write_stages(self, source: str, path: str, files: Files) -> None:
        """Write the stages of the picture of a file.

        Args:
            source: path of the file, or STDIO.
            path: an animation if its suffix is that of one, otherwise a folder for pictures.
            files: says whether existing files are replaced.
        """
        with self.report.guard(source):
            contents, warn = self.load(source)
            counts = stages(contents, self.options.tokens)
            animated = is_animation(path)
            shown = {path: counts}
            if not animated:
                shown = {os.path.join(path, f"{count:03d}{self.suffix}"): [count] for count in counts}

            def stage(count: int) -> Image.Image:
                from .. import codec

                note = warn if count == counts[-1] else _silent  # a cut file is reported once
                return codec.draw(contents, replace(self.options, tokens=count), warn=note)

            def work(job: Job, bar: Bar) -> tuple[bytes, str]:
                numbers = shown[job.target]
                pictures = [stage(count) for count in numbers]
                data = animation(pictures, os.path.splitext(path)[1]) if animated else self._encoded(pictures[0])
                text = f"{', '.join(map(str, numbers))} token{'s' * (numbers != [1])}"
                return data, f"{text} per tile" if contents.tiles > 1 else text

            if not animated:
                try:
                    os.makedirs(path, exist_ok=True)
                except OSError as error:
                    raise TokError(f"cannot create the folder {path}: {reason(error)}") from error
            run([Job(source, target) for target in shown], files, self.report, work)

    def load(self, source: str) -> tuple[Contents, Warn]:
        """Read a file, or its first `max_bytes`. A data URL names the model of its file, unless an option does.

        Returns:
            Its contents, and the function to call with a note if the file is cut.
        """
        bare, options = self.options.container == "bare", self.options
        data = read_tok(source, bare=bare)
        if self.base64:
            if options.model is None:
                options = replace(options, model=_model_in(data))
            data = from_base64(data)
        elif bare and is_base64(data):
            self.report.note(source, "looks like base64 text: use --base64 to read it")
        if bare and _has_header(data):
            self.report.note(source, "is a .tok file: leave out --bare to read it as one")
        contents = options.read(data[: self.max_bytes])
        cut_here = self.max_bytes is not None and len(data) >= self.max_bytes  # the user asked for it: no note
        return contents, _silent if cut_here else partial(self.report.note, source)

    def _encoded(self, picture: Image.Image) -> bytes:
        from ..pictures.images import write_picture

        stream = io.BytesIO()
        write_picture(picture, stream, self.suffix)
        return stream.getvalue()


def _model_in(text: bytes) -> str | None:
    """The name of the model that a data URL means, None for other texts. Raises NotTokError if it is no name."""
    name = url_model(text)
    if name is not None and not NAME.fullmatch(name):
        raise NotTokError(f"the data URL's model is not a model's name: {name[:64]!r}")
    return name


def _has_header(data: bytes) -> bool:
    """Whether the data is a `.tok` file of an installed model, by the check in its header."""
    from ..models.registry import resolve

    try:
        resolve(data)
    except TokError:
        return False
    return True


def _silent(text: str) -> None:
    pass
