"""`python -m bench.studies.effort PICTURES`: measures the gain and the time of `encode --effort`.

Prints means over real files of the pictures' 256x256 centre crops, or with `--sizes` of whole pictures in at most N
bytes. lite0 and lite2 are the distances of an EfficientNet's features (stages 2 to 5) from those of the original. lite0
and LPIPS were used to train the network of the tune, and lite2 was not. Seconds are those of the processor, on one
thread.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
import numpy as np
import torch
from PIL import Image

import tokcodec
from bench.metrics import Pixels, psnr
from bench.pictures import Picture, find, read
from bench.recognition import FEATURES, Recogniser
from bench.report.cells import markdown_lines
from tokcodec.ratecontrol.lpips import LPIPS
from tokcodec.tokenizers import MANY_DRAWN, load_tokenizer
from tokcodec.tokenizers.look import LIGHT, condition
from tokcodec.tokfile import read as read_file

if TYPE_CHECKING:
    from tokcodec.tokenizers.cascade import CascadeTokenizer

NAMES = "bytes", "seconds", "PSNR, fidelity", "PSNR, perceptual", "PSNR, light", "LPIPS", "lite0", "lite2"
"""What is measured. LPIPS and features are those of the perceptual look."""
DECIMALS = 1, 2, 2, 2, 2, 3, 3, 3

Case = tuple[str, int, str, int]
"""Picture, tokens or bytes at most, tune ("" for a crop without an effort) and effort."""


class Judge:
    """The measures, with their networks. Raises WeightsMissingError and MissingPackageError."""

    def __init__(self) -> None:
        self.lpips = LPIPS("squeeze")
        self.recogniser = Recogniser()

    @torch.no_grad()
    def measure(self, original: Pixels, amount: int, tune: str, effort: int, whole: bool) -> list[float]:
        """The values of NAMES for one picture; NaN for the light look of several tiles."""
        chosen = {"target_size": amount} if whole else {"tokens": amount, "pitch": "fit"}
        begun = time.process_time()
        data = tokcodec.encode(original, effort=effort, tune=tune or None, **chosen)
        seconds = time.process_time() - begun
        fidelity, perceptual = (np.asarray(tokcodec.decode(data, look=look)) for look in ("fidelity", "perceptual"))
        x, y = (torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float() / 255 for p in (original, perceptual))
        seen = self.recogniser.compare(*(self.recogniser.look(pixels) for pixels in (original, perceptual)))
        light = float("nan") if whole else psnr(original, drawn_light(data))
        decibels = psnr(original, fidelity), psnr(original, perceptual), light
        return [len(data), seconds, *decibels, float(self.lpips(x, y)), *(seen[name] for name in FEATURES)]


def drawn_light(data: bytes) -> Pixels:
    """The light look of a file of one tile, as a web page draws it: uint8 256 x 256 x 3."""
    contents = read_file(data)
    tokenizer = cast("CascadeTokenizer", load_tokenizer(contents.model, "cpu", drawing=MANY_DRAWN))
    conditions = condition(contents.counts().tolist(), contents.scale, tokenizer.scales)
    vectors = tokenizer.vectors(torch.from_numpy(contents.coded).long(), contents.scale)
    drawn = np.asarray(tokenizer.draw(tokenizer.network(LIGHT), vectors, conditions))
    pixels: Pixels = np.rint(drawn[0].clip(0, 1).transpose(1, 2, 0) * 255).astype(np.uint8)
    return pixels


def figure(pictures: list[Pixels], path: Path) -> None:
    """A sheet: each picture, and its perceptual look of 64 and 256 tokens without and with effort 6."""
    rows = []
    for picture in pictures:
        cells = [picture]
        for tokens in (64, 256):
            files = (tokcodec.encode(picture, tokens=tokens, pitch="fit", effort=effort) for effort in (0, 6))
            cells += [np.asarray(tokcodec.decode(data)) for data in files]
        rows.append(np.concatenate(cells, 1))
    Image.fromarray(np.concatenate(rows)).save(path, quality=85)


def cases(
    names: list[str], amounts: list[int], tunes: list[str], efforts: list[int], whole: bool = False
) -> Iterator[Case]:
    """Everything to measure, picture by picture.

    Effort 0 is measured once for all tunes, unless they choose the pitches of whole pictures.
    """
    for name in names:
        for amount in amounts:
            if not whole:
                yield name, amount, "", 0
            yield from ((name, amount, tune, effort) for tune in tunes for effort in efforts if effort or whole)


def table(measured: dict[Case, list[float]], whole: bool) -> list[str]:
    """Lines of the table of means over the pictures for which all is measured."""
    kinds = list(dict.fromkeys(case[1:] for case in measured))
    names = [n for n in dict.fromkeys(case[0] for case in measured) if all((n, *kind) in measured for kind in kinds)]
    rows = []
    for amount, tune, effort in sorted(kinds):
        means = np.mean([measured[name, amount, tune, effort] for name in names], 0)
        values = ["-" if np.isnan(v) else f"{v:.{n}f}" for v, n in zip(means, DECIMALS, strict=True)]
        rows.append([str(amount), tune or "none", str(effort), *values])
    kind, first = ("whole pictures", "at most") if whole else ("centre crops", "tokens")
    using = f"tokcodec {tokcodec.__version__}, torch {torch.__version__}"
    return [f"{len(names)} {kind}, {using}:", "", *markdown_lines((first, "tune", "effort", *NAMES), rows)]


def numbers(_: click.Context, __: click.Parameter, text: str | None) -> list[int]:
    """Numbers with commas between them."""
    return [int(part) for part in text.split(",")] if text else []


@click.command()
@click.argument("pictures", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--efforts", default="0,3,6,9", show_default=True, callback=numbers, help="With commas.")
@click.option("--tokens", default="64,256", show_default=True, callback=numbers, help="With commas.")
@click.option("--sizes", callback=numbers, help="Numbers of bytes for whole pictures, instead of crops.")
@click.option("--tunes", default="perceptual,fidelity,light", show_default=True, help="With commas.")
@click.option("--limit", type=int, help="Use only the first N pictures.")
@click.option("--journal", type=click.Path(dir_okay=False, path_type=Path), help="Store results here to resume.")
@click.option("--sheet", type=click.Path(path_type=Path), help="Only write an image with examples here.")
def main(
    pictures: Path,
    efforts: list[int],
    tokens: list[int],
    sizes: list[int],
    tunes: str,
    limit: int | None,
    journal: Path | None,
    sheet: Path | None,
) -> None:
    """Print a table of gain against time."""
    torch.set_num_threads(1)
    found = {picture.name: picture for picture in find(pictures, [None if sizes else 256], limit)[0]}
    if sheet is not None:
        figure([read(picture.path, picture.crop) for picture in list(found.values())[:3]], sheet)
        return
    lines = journal.read_text(encoding="utf-8").splitlines() if journal and journal.exists() else []
    known = {(str(n), int(a), str(t), int(e)): values for n, a, t, e, values in map(json.loads, lines)}
    wanted = list(cases(list(found), sizes or tokens, tunes.split(","), efforts, whole=bool(sizes)))
    missing = [case for case in wanted if case not in known]
    if missing:
        judge, pixels = Judge(), lru_cache(1)(lambda name: of(found[name]))
        judge.measure(pixels(missing[0][0]), missing[0][1], tunes.split(",")[0], 1, bool(sizes))  # imports and models
        for case in missing:
            known[case] = judge.measure(pixels(case[0]), *case[1:], whole=bool(sizes))
            if journal:
                with journal.open("a", encoding="utf-8") as out:
                    out.write(json.dumps([*case, known[case]]) + "\n")
    click.echo("\n".join(table({case: known[case] for case in wanted}, bool(sizes))))


def of(picture: Picture) -> Pixels:
    """The pixels of a picture of the bench."""
    return read(picture.path, picture.crop)


if __name__ == "__main__":
    main()
