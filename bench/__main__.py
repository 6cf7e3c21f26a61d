"""`python -m bench DIR --out results/`: compare tokcodec with other codecs on a folder of pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import click
from tqdm import tqdm

from bench import pictures, results, run
from bench.codecs.interface import Codec
from bench.metrics import make_extras
from bench.pictures import Picture
from bench.report import page, plots, summary, tables, viewer
from bench.results import Row
from tokcodec.options import MOST_EFFORT
from tokcodec.pictures.tiling import TILE

Job = tuple[Picture, str, str]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for results.jsonl, summary.json, summary.md, plots/ and index.html; rows there are kept.",
)
@click.option("--crop", type=click.IntRange(32), help="Centre crops: shorter side resized to N, centre N x N taken.")
@click.option("--whole", is_flag=True, help="With --crop: whole pictures as well. Without --crop this is the default.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default=True,
    help="Processes, each with one thread.",
)
@click.option("--limit", type=click.IntRange(1), help="Only the first N files.")
@click.option("--codec", "codecs", multiple=True, help="Only this codec and its variants (repeatable), e.g. webp.")
@click.option("--model", "models", multiple=True, help="A further model by name or folder (repeatable).")
@click.option("--pitch", "pitches", type=int, multiple=True, help="Pitches of tokcodec (default 512, 256, 128, 64).")
@click.option("--device", default="auto", show_default=True, help="Device of tokcodec: auto, cpu or cuda.")
@click.option(
    "--effort",
    type=click.IntRange(0, MOST_EFFORT),
    default=0,
    show_default=True,
    help="Also code crops with tokcodec at this effort. 9 takes minutes for a crop.",
)
@click.option("--lpips-net", type=click.Choice(["squeeze", "alex"]), default="squeeze", show_default=True)
@click.option("--lpips-weights", type=click.Path(path_type=Path), help="File with its weights [env: TOKCODEC_LPIPS].")
@click.option("--lpips-download", is_flag=True, help="Fetch the weights into torch's hub cache, checked by hash.")
@click.option("--metric", "extras", multiple=True, help="A further metric: ssimulacra2, dists (repeatable).")
@click.option("--page-pictures", type=click.IntRange(0), default=6, show_default=True, help="Pictures in the viewer.")
@click.option(
    "--merge",
    "merged",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Add the rows of another results.jsonl (repeatable).",
)
@click.option(
    "--diff",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Then list the differences from another results.jsonl.",
)
@click.option("--fresh", is_flag=True, help="Discard the rows already in --out.")
def main(
    folder: Path,
    out: Path,
    crop: int | None,
    whole: bool,
    jobs: int,
    limit: int | None,
    codecs: tuple[str, ...],
    models: tuple[str, ...],
    pitches: tuple[int, ...],
    device: str,
    effort: int,
    lpips_net: str,
    lpips_weights: Path | None,
    lpips_download: bool,
    extras: tuple[str, ...],
    page_pictures: int,
    merged: tuple[Path, ...],
    diff: Path | None,
    fresh: bool,
) -> None:
    """Compare codecs on the pictures of FOLDER.

    Repeat the command to resume an interrupted run.
    """
    try:
        reason = _weights(lpips_net, lpips_weights, lpips_download)
        if reason is not None:
            click.echo(f"LPIPS: no weights ({reason}); --lpips-download fetches them", err=True)
        unseen = run.find_recognition()
        if unseen is not None:
            click.echo(f"recognition: not measured ({unseen})", err=True)
        options = run.Options(
            codecs,
            (None, *models),
            pitches or None,
            device,
            effort,
            lpips_net,
            reason is None,
            None if lpips_weights is None else str(lpips_weights),
            extras,
            unseen is None,
        )
        make_extras(extras)
        adapters = options.make()
        crops: tuple[int | None, ...] = (None,) if crop is None else ((crop, None) if whole else (crop,))
        found, bad = pictures.find(folder, crops, limit)
        others = [row for path in merged for row in _results(path)]
        compared = None if diff is None else _results(diff)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    for name, why in bad.items():
        click.echo(f"{name}: skipped: {why}", err=True)
    if not found:
        raise click.ClickException(f"no picture in {folder} can be read")
    click.echo(f"{len({p.path for p in found})} pictures, codecs: {', '.join(adapters)}", err=True)
    if not any(label.startswith("tokcodec") for label in adapters):
        click.echo("tokcodec itself is not among the codecs", err=True)

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(str(error)) from error
    file = out / "results.jsonl"
    rows = results.complete([*([] if fresh else results.load(file)), *others]) + run.unreadable(bad, crops)
    results.rewrite(file, results.complete(rows))
    _run(run.plan(found, options, rows), options, jobs, file)
    rows = results.complete(results.load(file))
    results.rewrite(file, rows)
    _report(found, rows, adapters, options, jobs, out, page_pictures)
    if compared is not None:
        lines = results.compare(compared, rows)
        click.echo("\n".join(lines) if lines else f"no difference from {diff}")
    failures = sum(1 for row in rows if row.get("error"))
    click.echo(f"{len(rows)} rows, {failures} failures: {out / 'index.html'}", err=True)


def _weights(net: str, path: Path | None, fetch: bool) -> str | None:
    """Reason why LPIPS cannot be computed; None if it can."""
    if fetch:
        from tokcodec.ratecontrol.lpips import download

        download(net)
    if path is not None and not path.is_file():
        raise ValueError(f"--lpips-weights: {path} is not a file")
    return run.find_lpips(net, path)


def _results(path: Path) -> list[Row]:
    """The rows of another run. Raises ValueError if the file has none."""
    rows = results.load(path)
    if not rows:
        raise ValueError(f"{path} has no results: name the results.jsonl of another run")
    return rows


def _run(planned: Sequence[Job], options: run.Options, jobs: int, file: Path) -> None:
    """Run the jobs and write the rows of each as it finishes."""
    try:
        with tqdm(total=len(planned), unit="job", disable=None, smoothing=0.05) as bar:
            for done in run.execute(list(planned), options, jobs):
                results.append(file, done)
                bar.update()
    except BrokenProcessPool as error:
        raise click.ClickException("a worker died (out of memory?); repeat the command to resume") from error


def _report(
    found: list[Picture],
    rows: list[Row],
    adapters: dict[str, Codec],
    options: run.Options,
    jobs: int,
    out: Path,
    page_pictures: int,
) -> None:
    """Write summary, tables, plots and page from all rows."""
    facts = summary.summarise(rows)
    (out / "summary.json").write_text(results.to_json(facts) + "\n", encoding="utf-8")
    text = tables.markdown(facts)
    (out / "summary.md").write_text(text, encoding="utf-8")
    click.echo(text)
    drawn = plots.draw(facts, out / "plots")
    crops = _crops(found, page_pictures)
    shown = viewer.build(
        crops, _viewer_rows(crops, rows, options, jobs), adapters, lambda line: click.echo(line, err=True)
    )
    page.write(out / "index.html", facts, drawn, shown)


def _crops(found: list[Picture], count: int) -> list[Picture]:
    """Up to `count` pictures as tiles for the viewer, spread over the folder."""
    paths = sorted({picture.path for picture in found})
    chosen = {paths[i * len(paths) // min(count, len(paths))] for i in range(min(count, len(paths)))}
    tiles = [p for p in found if p.crop == TILE and p.path in chosen]
    if tiles or not chosen:
        return tiles
    names = {picture.path: picture.name for picture in found}
    return [pictures.describe(path, names[path], TILE) for path in sorted(chosen)]


def _viewer_rows(crops: list[Picture], rows: list[Row], options: run.Options, jobs: int) -> list[Row]:
    """Rows of the viewer's tiles: from the results, or made for the page if the run has whole pictures only."""
    names = {picture.name for picture in crops}
    have = [row for row in rows if row["subset"] == f"crop{TILE}" and row["picture"] in names]
    missing = run.plan(crops, options, have)
    if not have and missing:
        click.echo("coding tiles for the page's viewer", err=True)
        have = [row for done in run.execute(missing, options, jobs) for row in done]
    return have


if __name__ == "__main__":
    main(prog_name="python -m bench")
