"""Summaries and tables of rows whose right answers are known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bench.report import plots, tables
from bench.report.part import Budget, Part
from bench.report.summary import bits_per_token, summarise
from bench.results import Row, to_json
from tests.bench.conftest import svg_only

CURVES = ("tokcodec perceptual", "webp-down")


def row(
    picture: str, codec: str, setting: dict[str, Any], size: int, psnr: float, lpips: float | None = None, **more: Any
) -> Row:
    metrics = {"psnr": psnr} | ({} if lpips is None else {"lpips_squeeze": lpips, "lpips_squeeze_half": lpips / 2})
    return {
        "picture": picture,
        "subset": "crop256",
        "width": 256,
        "height": 256,
        "codec": codec,
        "setting": setting,
        "bytes": size,
        "metrics": metrics,
        "versions": {"v": "1"},
        "encode_s": 0.01,
        "decode_s": 0.02,
    } | more


def rows(lpips: bool = True) -> list[Row]:
    """Two pictures: on "hard" everything is 2 dB worse. WebP needs exactly twice tokcodec's bytes for its LPIPS."""
    found = []
    for picture, loss in (("easy", 0), ("hard", 2)):
        for i, tokens in enumerate((4, 16, 64, 128, 256)):
            size = 10 + round(1.5 * tokens)
            distance = 0.6 - 0.1 * i
            setting = {"pitch": 256, "tokens": tokens}
            for look, gain in (("fidelity", 1), ("perceptual", 0)):
                found.append(
                    row(
                        picture,
                        "tokcodec",
                        setting | {"look": look},
                        size,
                        15 + i + gain - loss,
                        distance if lpips else None,
                    )
                )
            found.append(row(picture, "tokcodec-packed", setting, size + 5, 15 + i - loss))
            found.append(
                row(
                    picture,
                    "webp-down",
                    {"scale": 0.25, "quality": i},
                    2 * size,
                    16 + i - loss,
                    distance if lpips else None,
                )
            )
        found.append(row(picture, "webp", {"quality": 0}, 3000, 30 - loss, 0.1 if lpips else None))
    return found


def test_best_at_a_budget() -> None:
    part = Part("crop256", rows())
    assert part.pictures == ["easy", "hard"]
    assert part.lpips == "lpips_squeeze"
    best = part.best("webp-down", Budget(213, "B"), "psnr")
    assert best["easy"]["bytes"] == 212
    assert best["hard"]["metrics"]["psnr"] == 16
    assert part.best("webp", Budget(1024, "B"), "psnr") == {}
    by_lpips = part.best("tokcodec perceptual", Budget(396, "B"), "lpips_squeeze")
    assert by_lpips["easy"]["metrics"]["lpips_squeeze"] == pytest.approx(0.2)


def test_bpp_budgets_are_rounded_as_the_codecs_are_told() -> None:
    whole = {"width": 101, "height": 77}
    assert Budget(0.01, "bpp").fits(whole | {"bytes": 10})
    assert not Budget(0.01, "bpp").fits(whole | {"bytes": 11})


def test_versions_of_several_runs_are_all_named() -> None:
    first, *others = rows()
    (part,) = summarise([first | {"versions": {"v": "0", "w": "2"}}, *others])["parts"]
    assert part["versions"] == {"v": "0 and 1", "w": "2"}


def test_summary_of_known_rows() -> None:
    facts = summarise(rows())
    (part,) = facts["parts"]
    assert part["versions"] == {"v": "1"}
    entry = next(e for e in part["by_tokens"] if e["curve"] == "tokcodec fidelity" and e["tokens"] == 64)
    assert entry["psnr"]["mean"] == 17
    assert entry["psnr"]["sd"] == pytest.approx(math.sqrt(2))
    assert entry["bytes"] == {"mean": 106, "sd": 0, "low": 106, "high": 106, "max": 106}
    equal = {(e["curve"], e["tokens"]): e for e in part["equal_lpips"]}
    for tokens, size in ((4, 16), (64, 106), (256, 394)):
        found = equal["tokcodec perceptual", tokens]
        assert (found["own"], found["less"], found["never"]) == (size, 0, 0)
        assert found["median"] == pytest.approx(2 * size)
    bd = next(
        e for e in part["bjontegaard"] if (e["metric"], e["rate"]["test"]) == ("lpips_squeeze", "tokcodec fidelity")
    )
    assert bd["rate"]["estimate"]["mean"] == pytest.approx(-50, abs=1e-6)
    assert bd["rate"]["estimate"]["n"] == 2
    difference = next(
        e
        for e in part["differences"]
        if e["test"] == "tokcodec fidelity"
        and e["metric"] == "psnr"
        and e["anchor"] == "webp-down"
        and e["budget"] == 108
    )
    assert (difference["mean"], difference["low"], difference["high"], difference["n"]) == (1, 1, 1, 2)
    json.loads(to_json(facts))


def test_adaptive_files_are_compared_with_those_of_equal_counts() -> None:
    targets = {16: 24, 34: 36, 106: 108, 202: 202, 394: 396}
    adaptive = [
        row
        | {"codec": "tokcodec-adaptive", "setting": {"target": targets[row["bytes"]], "look": row["setting"]["look"]}}
        | {"metrics": row["metrics"] | {"psnr": row["metrics"]["psnr"] + 0.5}}
        for row in rows()
        if row["codec"] == "tokcodec"
    ]
    shown = table(summarise([*rows(), *adaptive]), "Difference in psnr")
    cells = {row[0]: row[1:] for row in shown.rows}
    gains = dict(zip(shown.header[1:], cells["tokcodec-adaptive fidelity less tokcodec fidelity"], strict=True))
    assert gains["108 B"] == gains["396 B"] == "+0.50 [+0.50, +0.50]"
    assert gains["300 B"] == "-", "no file was made for 300 bytes"
    assert "tokcodec fidelity less tokcodec fidelity" not in cells


def test_equal_quality_counts_what_cannot_be_compared() -> None:
    changed = [r for r in rows() if r["codec"] != "webp-down" or r["setting"]["quality"] == 0]
    (part,) = summarise(changed)["parts"]
    by_tokens = {e["tokens"]: e for e in part["equal_lpips"] if e["curve"] == "tokcodec fidelity"}
    assert by_tokens[4]["median"] == 32
    assert (by_tokens[64]["never"], by_tokens[64]["median"]) == (2, None)


def test_no_weights_and_no_overlap_are_said_in_words() -> None:
    changed = rows(lpips=False)
    for r in changed:
        r["metrics"]["psnr"] += 40 * (r["codec"] == "tokcodec")
    text = tables.markdown(summarise(changed))
    assert "no weights" in text
    assert "no overlap" in text
    assert "lpips_squeeze" not in text
    assert "no weights" not in tables.markdown(summarise(rows()))


def test_failures_are_counted_and_listed() -> None:
    failed = {
        "picture": "easy",
        "subset": "crop256",
        "codec": "avif",
        "setting": {"quality": 3},
        "bytes": None,
        "metrics": None,
        "error": "OSError: broken",
    }
    facts = summarise([*rows(), failed])
    (part,) = facts["parts"]
    assert [e for e in part["speed"] if e["curve"] == "avif"] == [
        {"curve": "avif", "rows": 0, "failures": 1, "encode_s": None, "decode_s": None, "peak_mb": None}
    ]
    assert "OSError: broken" in tables.markdown(facts)


def test_means_are_given_only_where_every_picture_has_a_file() -> None:
    some = [r for r in rows() if not (r["codec"] == "webp-down" and r["picture"] == "hard" and r["bytes"] < 100)]
    table = next(t for t in tables.tables(summarise(some)) if t.title.startswith("Within a byte budget, best psnr"))
    cells = dict(zip(table.header, next(r for r in table.rows if r[0] == "webp-down"), strict=True))
    assert cells["32 B"] == "(1 of 2)"
    assert cells["24 B"] == "-"
    assert cells["256 B"].startswith("17.00 ±1.4 (0.400)")


def seen_rows() -> list[Row]:
    """The same rows with recognition and grain: from 64 tokens on "easy" is recognised, "hard" from 256; only "easy"
    has smooth places.
    """
    found = rows()
    for r in found:
        size = r["bytes"] / (2 if r["codec"] == "webp-down" else 1)
        known = size >= (106 if r["picture"] == "easy" else 394)
        r["metrics"] |= {"top1": float(known), "top5": float(size >= 106), "features_lite0": 50 / (50 + size)}
        r["original"] = {"flat": 0.0}
        if r["picture"] == "easy":
            r["metrics"]["grain"], r["original"] = 0.25, {"flat": 0.5, "grain": 0.75}
    return found


def table(facts: dict[str, Any], title: str) -> tables.Table:
    (found,) = [t for t in tables.tables(facts) if t.title.startswith(title)]
    return found


def test_recognition_at_equal_bytes() -> None:
    facts = summarise(seen_rows())
    (part,) = facts["parts"]
    assert part["measures"] == ["top1", "top5", "features_lite0", "grain"]
    assert part["choosers"] == ["psnr", "lpips_squeeze", "features_lite0"]
    shown = table(facts, "Within a byte budget, best features_lite0, 2 centre crops 256: top-1 / top-5")
    ours, webp = ({r[0]: dict(zip(shown.header, r, strict=True)) for r in shown.rows}[c] for c in CURVES)
    assert ours["108 B"] == f"0.50 / 1.00 ({50 / 156:.3f})"
    assert ours["396 B"] == f"1.00 / 1.00 ({50 / 444:.3f})"
    assert webp["108 B"] == f"0.00 / 0.00 ({50 / 84:.3f})"
    less = next(e for e in part["differences"] if (e["metric"], e["budget"]) == ("features_lite0", 108))
    assert less["mean"] < 0
    assert "tokcodec is better below 0" in table(facts, "Difference in features_lite0").note


def test_from_how_many_bytes_on_pictures_are_recognised() -> None:
    shown = table(summarise(seen_rows()), "Bytes from which on pictures are recognised")
    assert shown.header == ["codec", "top-1 of 50%", "top-1 of 80%", "top-5 of 50%", "top-5 of 80%"]
    ours, webp = ({r[0]: r[1:] for r in shown.rows}[c] for c in CURVES)
    assert ours == ["108 B", "396 B", "108 B", "108 B"]
    assert webp == ["256 B", "1024 B", "256 B", "256 B"]
    changed = seen_rows()
    for r in changed:
        if r["codec"] == "tokcodec" and r["setting"]["tokens"] == 256:
            r["metrics"] |= {"top1": 0.0}
    again = table(summarise(changed), "Bytes from which on pictures are recognised")
    assert {r[0]: r[1:] for r in again.rows}[CURVES[0]][:2] == ["never", "never"], "not if larger files are not"


def test_all_metrics_of_the_same_files_stand_together() -> None:
    shown = table(summarise(seen_rows()), "Within a byte budget, all metrics of the same files")
    assert shown.header[:5] == ["at most", "codec", "bytes", "PSNR dB", "lpips_squeeze"]
    assert shown.header[5:] == ["top-1", "top-5", "features_lite0", "grain (original 0.75)"]
    assert {r[0] for r in shown.rows} <= {"36 B", "108 B", "202 B", "396 B", "1024 B", "4096 B"}
    row_of = next(r for r in shown.rows if r[:2] == ["108 B", CURVES[0]])
    assert row_of[2:] == ["106", "16.00", "0.400", "0.50", "1.00", f"{50 / 156:.3f}", "0.25"]


def test_grain_is_a_mean_over_the_pictures_that_have_it() -> None:
    (part,) = summarise(seen_rows())["parts"]
    assert part["original_grain"] == {"mean": 0.75, "n": 1}
    assert all(entry["grain"]["mean"] == 0.25 and entry["n"] == 2 for entry in part["by_tokens"])
    changed = seen_rows()
    for r in changed:
        r["metrics"].pop("grain", None)
        r["original"] = {"flat": 0.0}
    (part,) = summarise(changed)["parts"]
    assert part["original_grain"] is None
    assert "grain" not in part["measures"]


def test_rows_from_before_a_metric_are_shown_without_it() -> None:
    old, new = rows(), seen_rows()
    text = tables.markdown(summarise(old))
    assert "top-1" not in text and "features" not in text and "grain" not in text
    mixed = [r for r in old if r["codec"] != "webp-down"] + [r for r in new if r["codec"] == "webp-down"]
    facts = summarise(mixed)
    shown = table(facts, "tokcodec by tokens")
    assert all(r[shown.header.index("top-1") :] == ["-"] * 4 for r in shown.rows)
    half_old = [r for r in old if r["picture"] == "hard"] + [r for r in new if r["picture"] == "easy"]
    shown = table(summarise(half_old), "tokcodec by tokens")
    assert all(r[shown.header.index("top-1") :] == ["-"] * 4 for r in shown.rows)


@pytest.mark.parametrize("made", [rows, seen_rows, lambda: rows(lpips=False)])
def test_plots_are_drawn_of_what_there_is(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing takes the time: the plots of seen_rows, which are of every kind, are SVG, and a few others PNG too."""
    if made is rows:
        monkeypatch.setattr(plots, "_save", lambda figure, stem: "")
    elif made is seen_rows:
        svg_only(monkeypatch)
    names = {plot["name"] for plot in plots.draw(summarise(made()), tmp_path)}
    expected = {"crop256-rate-psnr", "crop256-tokens-psnr"}
    if "lpips_squeeze" in made()[0]["metrics"]:
        expected |= {f"crop256-{kind}-lpips_squeeze{half}" for kind in ("rate", "tokens") for half in ("", "_half")}
    if made is seen_rows:
        expected |= {f"crop256-{k}-{m}" for k in ("rate", "tokens") for m in ("top1", "features_lite0", "grain")}
    assert names == expected
    suffixes = {rows: (), seen_rows: (".svg",)}.get(made, (".svg", ".png"))
    assert {path.name for path in tmp_path.iterdir()} == {name + suffix for name in names for suffix in suffixes}


def test_bits_per_token_from_real_sizes() -> None:
    full = [
        row(name, "tokcodec", {"pitch": 256, "tokens": 24}, 60, 20, sizes=[[8, 20], [16, 30], [24, 42]], tiles=1)
        for name in ("easy", "hard")
    ]
    assert bits_per_token(Part("crop256", full)) == {"tokcodec": [(12.0, 10.0), (20.0, 12.0)]}
