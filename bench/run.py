"""Runs jobs in processes. A job is one codec on one picture, and gives rows of results."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import results
from bench.codecs.interface import BPP_BUDGETS, TILE_BUDGETS, Codec, Point, Scene
from bench.codecs.registry import make_codecs
from bench.metrics import Meter, make_extras
from bench.pictures import Picture, read
from bench.results import Row

if TYPE_CHECKING:
    from bench.recognition import Recogniser
    from tokcodec.ratecontrol.lpips import LPIPS

# Raised when a change of the bench's own code changes rows that no version or setting shows.
BENCH_VERSION = 2
# Libraries read these when a worker starts. Workers have one thread each, so that they do not compete for cores. glibc
# keeps the large arrays of the metrics instead of returning them after each use, which saves a fifth of the time.
_WORKER_ENV = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_WORKER_ENV |= dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(1 << 32))


@dataclass(frozen=True)
class Options:
    """Options of a run, sent to each worker."""

    codecs: tuple[str, ...] = ()
    """Codecs to run; empty: all."""
    models: tuple[str | None, ...] = (None,)
    """Models of tokcodec by name or folder; None: the default model."""
    pitches: tuple[int, ...] | None = None
    """Pitches of tokcodec; None: the adapter's own."""
    device: str = "auto"
    effort: int = 0
    """Effort with which tokcodec codes crops a second time; 0: not at all."""
    lpips_net: str = "squeeze"
    lpips: bool = False
    """Whether LPIPS is measured."""
    lpips_weights: str | None = None
    """File of the LPIPS weights; None: where they are usually found."""
    extras: tuple[str, ...] = ()
    """Names of further metrics (`metrics.EXTRAS`)."""
    recognition: bool = False
    """Whether recognition is measured."""

    def make(self) -> dict[str, Codec]:
        """The codecs of these options by label."""
        names = ("codecs", "models", "pitches", "device", "effort")
        return make_codecs({name: getattr(self, name) for name in names})

    def metrics(self) -> list[str]:
        """Names of the measured metrics, for the run's hash."""
        lpips = [f"lpips_{self.lpips_net}"] if self.lpips else []
        recognition = ["recognition"] if self.recognition else []
        return ["psnr", "ssim", "ms_ssim", "delta_e", "grain", *lpips, *recognition, *self.extras]


@dataclass
class _Worker:
    """State of one worker process, set by `start_worker`."""

    options: Options | None = None
    codecs: dict[str, Codec] = field(default_factory=dict)
    net: LPIPS | None = None
    extras: dict[str, Any] = field(default_factory=dict)
    recogniser: Recogniser | None = None


_worker = _Worker()


def start_worker(options: Options) -> None:
    """Make this process a worker: one thread, codecs and nets loaded once."""
    _worker.options, _worker.codecs = options, options.make()
    _worker.extras = make_extras(options.extras)
    _worker.net = _worker.recogniser = None
    _scene.cache_clear()
    if options.lpips or options.recognition or any(label.startswith("tokcodec") for label in _worker.codecs):
        import torch

        torch.set_num_threads(1)
    if options.lpips:
        from tokcodec.ratecontrol.lpips import LPIPS

        _worker.net = LPIPS(options.lpips_net, options.lpips_weights)
    if options.recognition:
        from bench.recognition import Recogniser

        _worker.recogniser = Recogniser()


def budgets(picture: Picture) -> tuple[int, ...]:
    """Byte budgets of a picture: per 256x256 tile for a crop, by bits per pixel for a whole picture."""
    if picture.crop is not None:
        return tuple(max(1, round(budget * (picture.crop / 256) ** 2)) for budget in TILE_BUDGETS)
    return tuple(max(1, round(bpp * picture.width * picture.height / 8)) for bpp in BPP_BUDGETS)


@lru_cache(maxsize=1)  # the jobs of one picture follow each other
def _scene(picture: Picture) -> Scene:
    pixels = read(picture.path, picture.crop)
    meter = Meter(pixels, _worker.net, _worker.extras, _worker.recogniser)
    return Scene(pixels, budgets(picture), meter, whole=picture.crop is None)


def run_job(picture: Picture, label: str, run: str) -> list[Row]:
    """All rows of one codec on one picture. A failure becomes a row with an error."""
    codec = _worker.codecs[label]
    base: Row = {
        "picture": picture.name,
        "sha256": picture.sha256,
        "subset": picture.subset,
        "width": picture.width,
        "height": picture.height,
    }
    rows: list[Row] = []
    try:
        scene = _scene(picture)
        base["original"] = scene.meter.original
        last: tuple[Any, dict[str, Any]] = (None, {})
        for point in codec.points(scene):
            metrics = None
            if point.decoded is not None:
                # A point may repeat the previous point's pixels with another number of bytes.
                metrics = last[1] if point.decoded is last[0] else scene.meter.measure(point.decoded, point.known)
                last = point.decoded, metrics
            rows.append(base | {"codec": point.label or label} | _point_fields(point) | {"metrics": metrics})
    except Exception as error:  # recorded in the results; the other jobs continue
        rows.append(
            base
            | {
                "codec": label,
                "setting": None,
                "bytes": None,
                "metrics": None,
                "error": f"{type(error).__name__}: {error}",
            }
        )
    shared = {"versions": codec.versions(), "job": label, "run": run}
    return [row | shared | {"part": [index, len(rows)]} for index, row in enumerate(rows)]


def _point_fields(point: Point) -> Row:
    fields: Row = {"setting": point.setting, "bytes": point.size}
    for name in results.TIMINGS:
        if getattr(point, name) is not None:
            fields[name] = getattr(point, name)
    if point.error is not None:
        fields["error"] = point.error
    return fields | point.extra


def plan(pictures: list[Picture], options: Options, done: list[Row]) -> list[tuple[Picture, str, str]]:
    """(picture, codec label, run hash) of the jobs that the rows do not hold yet."""
    there = results.finished(done)
    codecs = options.make()
    jobs = []
    for picture in pictures:
        for label, codec in codecs.items():
            facts = {
                "bench": BENCH_VERSION,
                "pixels": picture.sha256,
                "codec": codec.config(),
                "versions": codec.versions(),
                "metrics": options.metrics(),
                "budgets": budgets(picture),
            }
            run = results.run_id(facts)
            if (picture.subset, picture.name, label, run) not in there:
                jobs.append((picture, label, run))
    return jobs


def execute(jobs: list[tuple[Picture, str, str]], options: Options, processes: int) -> Iterator[list[Row]]:
    """Yield the rows of each job as it finishes. With one process, jobs run in this process.

    Raises concurrent.futures.process.BrokenProcessPool if a worker dies (out of memory). Rows yielded before are valid.
    """
    if processes == 1 or len(jobs) <= 1:
        start_worker(options)
        for one in jobs:
            yield run_job(*one)
        return
    before = {name: os.environ.get(name) for name in _WORKER_ENV}
    os.environ.update(_WORKER_ENV)
    try:
        with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), start_worker, (options,)) as pool:
            futures = [pool.submit(run_job, *one) for one in jobs]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                for future in futures:
                    future.cancel()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def unreadable(bad: dict[str, str], crops: tuple[int | None, ...]) -> list[Row]:
    """Rows with an error for the files that are not pictures."""
    subsets = ["whole" if crop is None else f"crop{crop}" for crop in crops]
    return [
        {
            "picture": name,
            "subset": subset,
            "codec": "(reading)",
            "setting": None,
            "bytes": None,
            "metrics": None,
            "error": reason,
            "job": "(reading)",
            "run": "",
            "part": [0, 1],
        }
        for name, reason in bad.items()
        for subset in subsets
    ]


def find_lpips(net: str, weights: Path | None) -> str | None:
    """Reason why LPIPS cannot be computed (weights missing); None if it can. Raises ModelFileError for a bad file."""
    from tokcodec.ratecontrol.lpips import WeightsMissingError, load_weights

    try:
        load_weights(net, weights)
    except WeightsMissingError as error:
        return str(error)
    return None


def find_recognition() -> str | None:
    """Reason why recognition cannot be measured (packages missing); None if it can."""
    from bench.recognition import Recogniser
    from tokcodec.errors import MissingPackageError

    try:
        Recogniser()
    except MissingPackageError as error:
        return str(error)
    return None
