"""Reads, writes and compares `results.jsonl`, which has one JSON line per job (a codec on a picture).

A line has the fields that its rows share, the names of the other `fields` and of the `metrics`, and `rows`, one list of
values per setting in this order. All rows of a job have the same `job` (the codec) and `run` (a hash of pixels,
versions, settings and metrics), and are numbered (`part`). So rows of a new version of a codec replace the old ones. A
line that a kill cut short is not valid JSON, and its job is run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokcodec.pictures.files import write_atomic

Row = dict[str, Any]

# Fields that differ between runs of the same code. Comparisons ignore them.
TIMINGS = ("encode_s", "decode_s", "peak_mb")
_DIGITS = 4
_OWN = ("metrics", "part")  # fields that `dumps` stores in another form
_ALWAYS = ("setting", "bytes")  # fields of every row, null if it failed. Others are left out where they are null


def run_id(facts: dict[str, Any]) -> str:
    """Short hash of JSON values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=list).encode()).hexdigest()[:12]


def key(row: Row) -> tuple[str, ...]:
    """Identifies a row: part, picture, codec, setting."""
    setting = json.dumps(row.get("setting"), sort_keys=True)
    return str(row.get("subset")), str(row.get("picture")), str(row.get("codec")), setting


def job(row: Row) -> tuple[str, ...]:
    """Identifies the job that made a row: part, picture, codec adapter."""
    return str(row.get("subset")), str(row.get("picture")), str(row.get("job"))


def to_json(value: Any) -> str:
    """JSON with rounded floats, which is short and can be compared."""
    return _json(_rounded(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def dumps(rows: list[Row]) -> str:
    """The rows of one job as one line of JSON."""
    shared = {
        name: value
        for name, value in rows[0].items()
        if name not in _OWN and all(name in row and row[name] == value for row in rows)
    }
    names = list(dict.fromkeys(name for row in rows for name in row.get("metrics") or {}))
    fields = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in (*shared, *_OWN)]
    own = []
    for row in rows:
        metrics = row.get("metrics")
        values = [] if metrics is None else [metrics.get(name) for name in names]
        own.append([_short(name, row.get(name)) for name in fields] + [_short("", value) for value in values])
    brief = {name: _short(name, value) for name, value in shared.items()}
    return _json(brief | {"fields": fields, "metrics": names, "rows": own})


def _expand(line: Row) -> list[Row]:
    """The rows of a line, the inverse of `dumps`. Raises KeyError, TypeError or ValueError for an invalid line."""
    shared = {name: value for name, value in line.items() if name not in ("fields", "metrics", "rows")}
    count = len(line["fields"])
    rows = []
    for number, values in enumerate(line["rows"]):
        own = {n: v for n, v in zip(line["fields"], values[:count], strict=True) if v is not None or n in _ALWAYS}
        measured = zip(line["metrics"], values[count:], strict=True) if len(values) > count else None
        metrics = None if measured is None else {n: v for n, v in measured if v is not None}
        rows.append(shared | own | {"metrics": metrics, "part": [number, len(line["rows"])]})
    return rows


def _short(name: str, value: Any) -> Any:
    """A value of a row as it is stored: rounded, 1 instead of 1.0. Settings stay as they are, since they are used."""
    if name == "setting":
        return value
    value = _rounded(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value


def load(path: Path) -> list[Row]:
    """All rows of a file; none if it does not exist. Skips invalid lines, which a kill may leave."""
    if not path.exists():
        return []
    rows: list[Row] = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            rows += _expand(json.loads(text))
    return rows


def complete(rows: Iterable[Row]) -> list[Row]:
    """The rows of complete jobs. If a job ran several times, only its last complete run counts."""
    groups: dict[tuple[str, ...], dict[str, dict[int, Row]]] = {}
    for row in rows:
        part = row.get("part")
        if isinstance(part, list) and len(part) == 2:
            # Removing and adding it again moves the run that was written last to the end.
            runs = groups.setdefault(job(row), {})
            group = runs.pop(str(row.get("run")), {})
            group[part[0]] = row
            runs[str(row.get("run"))] = group
    kept = []
    for runs in groups.values():
        whole = [group for group in runs.values() if len(group) == next(iter(group.values()))["part"][1]]
        if whole:
            kept += [whole[-1][index] for index in sorted(whole[-1])]
    return kept


def finished(rows: Iterable[Row]) -> set[tuple[str, ...]]:
    """(part, picture, job, run) of the jobs in complete rows."""
    return {(*job(row), str(row["run"])) for row in rows}


def append(path: Path, rows: list[Row]) -> None:
    """Add the rows of one job, on disk when this returns."""
    if not rows:
        return
    with path.open("ab") as file:
        file.write((dumps(rows) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def rewrite(path: Path, rows: Iterable[Row]) -> None:
    """Replace the file by these rows, sorted by key. The old file is kept until the new one is complete."""
    jobs: dict[tuple[str, ...], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (*job(row), str(row.get("run")), row.get("part", [0])[0])):
        jobs.setdefault((*job(row), str(row.get("run"))), []).append(row)
    lines = (f"{dumps(group)}\n".encode() for group in jobs.values())
    write_atomic(path, lambda stream: stream.writelines(lines), force=True)


def compare(old: Iterable[Row], new: Iterable[Row]) -> list[str]:
    """Lines that describe the differences of two results in bytes and metrics. Timings and versions are ignored."""
    before, after = ({key(row): row for row in rows} for rows in (old, new))
    lines = [f"only in the old results: {_name(k)}" for k in sorted(before.keys() - after.keys())]
    lines += [f"only in the new results: {_name(k)}" for k in sorted(after.keys() - before.keys())]
    for k in sorted(before.keys() & after.keys()):
        a, b = (
            _rounded({"bytes": row.get("bytes"), "error": row.get("error"), **(row.get("metrics") or {})})
            for row in (before[k], after[k])
        )
        changes = [f"{n} {a.get(n)} -> {b.get(n)}" for n in sorted(a.keys() | b.keys()) if a.get(n) != b.get(n)]
        if changes:
            lines.append(f"{_name(k)}: {', '.join(changes)}")
    return lines


def _name(row_key: tuple[str, ...]) -> str:
    return " ".join(row_key)
