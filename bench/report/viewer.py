"""Data of the page's viewer: tokcodec at every token count, and the rivals at the same bytes, for some crops."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from bench.codecs.interface import Codec
from bench.pictures import Picture, read
from bench.report.cells import PREVIEWS
from bench.report.part import Part, curve_name, quality
from bench.results import Row
from tokcodec.pictures.tiling import TILE

PITCH = 256
# Quality of the page's own WebP. Its artefacts are not visible beside those of the codecs, and six pictures make a page
# of a few megabytes.
_PAGE_QUALITY = 84
RIVALS = (
    *("avif-down", "avif-nearest", "webp-down", "webp-nearest", "webp-lossless-down"),
    *("jpegxl-down", "jpeg-down", "jpeg2000-down", *PREVIEWS),
)


class _Images:
    """Pictures as data URIs without duplicates. Entries refer to them by number."""

    def __init__(self) -> None:
        self.uris: list[str] = []
        self._known: dict[str, int] = {}

    def add(self, image: Image.Image) -> int:
        file = io.BytesIO()
        image.save(file, "WEBP", quality=_PAGE_QUALITY, method=4)
        uri = f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
        if uri not in self._known:
            self._known[uri] = len(self.uris)
            self.uris.append(uri)
        return self._known[uri]


def _recognised(metrics: dict[str, float]) -> str | None:
    """The classifier's answer in words; None if it was not measured."""
    if "top1" not in metrics:
        return None
    return "recognised" if metrics["top1"] else "in the top 5" if metrics["top5"] else "not recognised"


class _Entries:
    """Makes the entries of one picture from the settings of its rows, each once."""

    def __init__(self, picture: Picture, codecs: dict[str, Codec], lpips: str | None, images: _Images) -> None:
        self.image = Image.fromarray(read(picture.path, picture.crop))
        self.codecs, self.lpips, self.images = codecs, lpips, images
        self._made: dict[str, dict[str, Any]] = {}

    def entry(self, row: Row) -> dict[str, Any]:
        """Code a row's setting again. Returns its facts and the number of its picture.

        Raises ValueError if the file has another size than in the row.
        """
        key = f"{row['job']} {row['setting']}"
        if key not in self._made:
            size, decoded = self.codecs[row["job"]].render(self.image, row["setting"])
            if size != row["bytes"]:
                raise ValueError(f"{row['codec']} {row['setting']}: {size} bytes now, {row['bytes']} in the results")
            metrics = row["metrics"]
            self._made[key] = {
                "bytes": size,
                "psnr": round(metrics["psnr"], 2),
                "image": self.images.add(decoded),
                "lpips": None if self.lpips is None else round(metrics[self.lpips], 3),
                "recognised": _recognised(metrics),
            }
        return self._made[key]


def build(
    pictures: Sequence[Picture],
    rows: Sequence[Row],
    codecs: dict[str, Codec],
    warn: Callable[[str], None] = print,
) -> dict[str, Any]:
    """The viewer's data as JSON values: {"images": [data URI], "pictures": [...], "curves", "rivals", "lpips"}.

    Args:
        pictures: Crops of 256x256.
        rows: Results of these pictures.
        codecs: Codecs by label.
        warn: Called for each picture that is left out, since its files differ from those of the rows.
    """
    images = _Images()
    part = Part(f"crop{TILE}", rows)
    curves = [name for name in part.ours if part.curves[name]]
    rivals = [name for name in RIVALS if name in part.curves]
    shown = []
    for picture in pictures:
        try:
            shown.append(_picture(picture, part, codecs, curves, rivals, images))
        except (ValueError, KeyError) as error:
            warn(f"{picture.name} is not in the page's viewer: {error}")
    steps = [entry for entry in shown if entry["steps"]]
    return {"images": images.uris, "pictures": steps, "curves": curves, "rivals": rivals, "lpips": part.lpips}


def _picture(
    picture: Picture, part: Part, codecs: dict[str, Codec], curves: list[str], rivals: list[str], images: _Images
) -> dict[str, Any]:
    entries = _Entries(picture, codecs, part.lpips, images)
    ours: dict[int, dict[str, Row]] = {}
    for curve in curves:
        for row in part.curves[curve].get(picture.name, []):
            setting = row["setting"]
            if setting.get("pitch") == PITCH and "tokens" in setting and row["job"] in codecs:
                ours.setdefault(setting["tokens"], {})[curve_name(row)] = row
    steps = []
    for tokens, by_curve in sorted(ours.items()):
        step: dict[str, Any] = {"tokens": tokens, "ours": {c: entries.entry(row) for c, row in by_curve.items()}}
        step["rivals"] = {
            c: {rival: _rival(part, rival, picture.name, row["bytes"], entries) for rival in rivals}
            for c, row in by_curve.items()
        }
        steps.append(step)
    return {"name": picture.name, "original": images.add(entries.image), "steps": steps}


def _rival(part: Part, rival: str, picture: str, limit: int, entries: _Entries) -> dict[str, Any]:
    """The rival's best file of at most `limit` bytes, by LPIPS or else PSNR; if none, the size of its smallest."""
    rows = part.curves[rival].get(picture, [])
    metric = part.lpips or "psnr"
    fitting = [(q, row) for row in rows if row["bytes"] <= limit and (q := quality(row, metric)) is not None]
    if fitting:
        return entries.entry(max(fitting, key=lambda pair: pair[0])[1])
    return {"smallest": min((row["bytes"] for row in rows), default=None)}
