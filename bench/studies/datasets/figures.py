"""The measured figures, their limits, and the page about them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec

import tokcodec
from bench.report.cells import markdown_lines
from tokcodec.models.registry import find_model

THERE = "Ray, cluster there, 2 workers"
TWO_WORKERS, RAY, MEMORY = 0.95, 0.95, 1.25
"""Limits of ratios: speed of two workers to twice that of one, and of Ray on a running cluster to two workers, both
without starts; memory of a large shard to a small one."""
PAGE = """# Data sets: speed and memory

    {command}

The pictures are {pictures:,} JPEGs of quality 90, {kilobytes:.0f} kB on average, in {shards} Parquet files.
Settings: {settings}, model {model} (hash {hash}), {cores} cores, {versions}.
Times are those of whole commands, including their start.
The commands take turns in one run, and the fastest of {rounds} rounds counts.
CPU seconds are those of all processes, a cluster's own included; the least of the rounds counts.
They show the work where other programs share the cores, which disturb the times.
Two processes that only decode the JPEGs give the lower limit for two processes that encode them.
`encode -r` is one process with threads that read.
"Ray" starts a cluster on this machine for the run, and "Ray, cluster there" uses a running, idle one.
Ray's workers have the priority of other processes, not the lower one that Ray gives them by default.

{speed}

"Without start" is the time less that for a single picture: {starts}.
Ray is judged with a running cluster, since one that is started for the run may still be starting during the work.

{limits}

Peak memory of a worker, with the interpreter and its libraries, for a shard of one large row group, the worst case:

{memory}
"""


@dataclass
class Figures:
    """The measured figures."""

    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds of the fastest round of each way."""
    starts: dict[str, float] = field(default_factory=dict)
    """Seconds of the same way for a single picture; not for all ways."""
    processor: dict[str, float] = field(default_factory=dict)
    """Processor seconds of the least round of each way."""
    start_processor: dict[str, float] = field(default_factory=dict)
    """As `starts`, in processor seconds."""
    peaks: list[tuple[int, float, float]] = field(default_factory=list)
    """Rows of a shard, MB of its file, peak memory of the worker in MB."""

    def without_start(self, name: str) -> float:
        """Seconds of a way less those for a single picture."""
        return self.seconds[name] - self.starts[name]

    def speed_table(self, pictures: int) -> str:
        """Markdown table of the seconds of all ways."""
        head = ["way", "seconds", "CPU seconds", "pictures/s", "over local, 1 worker", "over local, 2 workers"]
        lines = []
        rows = {name: (took, self.processor[name]) for name, took in self.seconds.items()}
        for name in self.starts:
            processor = self.processor[name] - self.start_processor[name]
            rows[f"{name}, without start"] = self.without_start(name), processor
        for name, (took, processor) in rows.items():
            ratios = [f"{self.seconds[f'local, {way}'] / took:.2f}" for way in ("1 worker", "2 workers")]
            lines.append([name, f"{took:.2f}", f"{processor:.2f}", f"{pictures / took:.0f}", *ratios])
        return "\n".join(markdown_lines(head, lines))

    def memory_table(self) -> str:
        """Markdown table of the peaks."""
        lines = [[f"{rows:,}", f"{size:.0f}", f"{peak:.0f}"] for rows, size, peak in self.peaks]
        return "\n".join(markdown_lines(["rows", "file, MB", "peak, MB"], lines))

    def verdicts(self) -> Iterator[tuple[str, float, str, bool]]:
        """Yield each ratio with a limit: name, value, limit, whether the limit is kept."""
        workers = self.without_start("local, 1 worker") / (2 * self.without_start("local, 2 workers"))
        yield "2 workers over twice 1, without start", workers, f"at least {TWO_WORKERS}", workers >= TWO_WORKERS
        if THERE in self.seconds:
            ray = self.without_start("local, 2 workers") / self.without_start(THERE)
            yield "Ray over 2 workers, without start", ray, f"at least {RAY}", ray >= RAY
        memory = self.peaks[1][2] / self.peaks[0][2]
        yield "memory of the large over the small shard", memory, f"at most {MEMORY}", memory <= MEMORY

    def limits_table(self) -> str:
        """Markdown table of the verdicts."""
        lines = [
            [name, f"{value:.3f}", limit, "kept" if kept else "missed"] for name, value, limit, kept in self.verdicts()
        ]
        return "\n".join(markdown_lines(["judged", "ratio", "limit", "verdict"], lines))


def page(figures: Figures, pictures: list[bytes], shards: int, rounds: int, settings: list[str]) -> str:
    """The page as Markdown.

    Args:
        figures: The measured figures.
        pictures: The JPEGs.
        shards: Number of Parquet files.
        rounds: Timings of each way.
        settings: Options of `dataset encode`.
    """
    model = find_model()
    packages = ["numpy", "pyarrow", "pillow", *(["ray"] if find_spec("ray") is not None else [])]
    command = (
        f"python -m bench.studies.datasets PICTURES --pictures {len(pictures)} --shards {shards} --rounds {rounds}"
    )
    return PAGE.format(
        command=" ".join([command, *settings]),
        pictures=len(pictures),
        kilobytes=sum(map(len, pictures)) / max(len(pictures), 1) / 1000,
        shards=shards,
        settings=" ".join(settings) or "default options",
        model=model.name,
        hash=model.hash.hex()[:16],
        cores=os.cpu_count(),
        versions=", ".join([f"tokcodec {tokcodec.__version__}", *(f"{name} {version(name)}" for name in packages)]),
        rounds=rounds,
        speed=figures.speed_table(len(pictures)),
        starts=", ".join(f"{name} {took:.2f} s" for name, took in figures.starts.items()),
        limits=figures.limits_table(),
        memory=figures.memory_table(),
    )
