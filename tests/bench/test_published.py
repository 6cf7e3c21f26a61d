"""The figures in the texts are those of the results."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from bench import results
from bench.report.ahead import who_is_ahead
from bench.report.cells import read_table
from bench.report.part import Part
from bench.studies import previews, settings

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"
PREVIEWS = RESULTS / "previews.md"
SUMMARY = RESULTS / "summary.md"


def rows(path: Path) -> list[str]:
    """Rows of the tables of a text, without their heads and rules."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        line
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("|") and not line.startswith("|--") and not after.startswith("|--")
    ]


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def section(title: str) -> list[list[str]]:
    """The table of the summary whose title begins so: its head, then its rows."""
    head, found = read_table(SUMMARY.read_text(encoding="utf-8"), title)
    return [head, *found]


def at_most(choice: str) -> dict[tuple[str, str], str]:
    """Cells of the table of 24 centre crops by what each codec's files are chosen by: (codec, budget) to cell."""
    head, *lines = section(f"Within a byte budget, best {choice}, 24 centre crops")
    return {(row[0], budget): cell for row in lines for budget, cell in zip(head[1:], row[1:], strict=True)}


def test_the_main_table_is_the_results() -> None:
    """PSNR of the fidelity look, LPIPS and top-5 of the perceptual one; the others at their best."""
    psnr, lpips, features = (at_most(choice) for choice in ("psnr", "lpips_squeeze", "features_lite0"))
    claimed = [cells(row) for row in rows(ROOT / "README.md") if re.match(r"\| \d+ B \|", row)]
    assert len(claimed) == 5

    def first(cell: str) -> str:
        return re.sub(r" .*", "", cell)

    def top5(cell: str) -> str:
        return cell.split(" / ")[1].split()[0] if "/" in cell else "-"

    others = ("webp-down", "webp-nearest", "webp-pillow-down", "webp-pillow-nearest", "avif-down", "avif-nearest")
    for budget, *shown in claimed:
        rivals = (
            max(first(psnr[codec, budget]) for codec in others),
            min(first(lpips[codec, budget]) for codec in others),
            max(top5(features[codec, budget]) for codec in others),
        )
        ours = (
            first(psnr["tokcodec fidelity", budget]),
            first(lpips["tokcodec perceptual", budget]),
            top5(features["tokcodec perceptual", budget]),
        )
        assert shown == [f"{a}, {b}" for a, b in zip(ours, rivals, strict=True)], budget


def test_where_not_to_use_it_is_where_others_get_ahead() -> None:
    """The README names the bytes from which on the best rival has the higher PSNR, then the lower LPIPS."""
    head, *lines = section("Who is ahead, 24 centre crops")
    table = [dict(zip(head, line, strict=True)) for line in lines]
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## When not to use it\n")[2]
    claimed = [int(size) for size in re.findall(r"about (\d+) bytes", text.split("\n## ")[0])]
    for metric, codec, size in zip(("psnr", "lpips_squeeze"), ("fidelity", "perceptual"), claimed, strict=True):
        rows = [row["ahead up to"] for row in table if (row["metric"], row["codec"]) == (metric, f"tokcodec {codec}")]
        measured = min(int(row.split()[0]) for row in rows if row[0].isdigit())
        assert abs(size - measured) <= 0.05 * measured, (metric, measured)


@cache
def limits(subset: str) -> dict[tuple[str, ...], float]:
    """Bytes up to which tokcodec is ahead, by metric, curve and rival, computed from the rows."""
    rows = [
        row | {"metrics": row["metrics"] and {name: row["metrics"].get(name) for name in ("psnr", "lpips_squeeze")}}
        for row in results.complete(results.load(RESULTS / "results.jsonl"))
        if row["subset"] == subset and row["codec"].startswith(("tokcodec", "avif", "webp"))
    ]
    unit = settings.KODAK / 8 if subset == "whole" else 1
    found = who_is_ahead(Part(subset, rows))
    return {(e["metric"], e["curve"], e["rival"]): unit * e["up_to"] for e in found if e["up_to"] is not None}


SMALL = "AVIF with its small header is ahead from #"
"""Words of the texts, with a # for each number."""


@pytest.mark.parametrize(
    ("page", "words", "subset", "codec", "measured"),
    [
        ("README.md", "WebP follows at # and # bytes", "crop256", "tokcodec", ["webp psnr", "webp lpips"]),
        ("README.md", "WebP has the lower LPIPS from # bytes on", "whole", "tokcodec-adaptive", ["webp lpips"]),
        (
            "docs/settings.md",
            "ahead at every size that was measured, and WebP from # bytes on",
            "whole",
            "tokcodec-adaptive",
            ["webp psnr"],
        ),
        (
            "docs/settings.md",
            "In LPIPS WebP is ahead from # bytes on and AVIF from # bytes on",
            "whole",
            "tokcodec-adaptive",
            ["webp lpips", "avif lpips"],
        ),
        (
            "docs/settings.md",
            f"{SMALL} bytes on in PSNR and from # bytes on in LPIPS, and WebP from # and # bytes on",
            "crop256",
            "tokcodec",
            ["avif psnr", "avif lpips", "webp psnr", "webp lpips"],
        ),
        (
            "docs/settings.md",
            "`--effort 9 --target-size` AVIF is ahead from # bytes on in PSNR",
            "crop256",
            "tokcodec-effort9",
            ["avif psnr"],
        ),
    ],
)
def test_limits_in_the_texts_are_the_results(
    page: str, words: str, subset: str, codec: str, measured: list[str]
) -> None:
    """Each number is where tokcodec stops being ahead of a rival in a metric, within 5 %."""
    pattern = r"([\d,]+)".join(map(re.escape, words.split("#")))
    found = re.search(pattern, (ROOT / page).read_text(encoding="utf-8"))
    assert found is not None
    for size, name in zip(found.groups(), measured, strict=True):
        rival, _, metric = name.partition(" ")
        key = ("psnr", f"{codec} fidelity") if metric == "psnr" else ("lpips_squeeze", f"{codec} perceptual")
        assert int(size.replace(",", "")) == pytest.approx(limits(subset)[*key, rival], rel=0.05), name


def test_each_codec_is_of_one_job() -> None:
    """Else the results hold files of a bench that is no longer there, and count them."""
    jobs: dict[tuple[str, str], set[str]] = {}
    for row in results.load(RESULTS / "results.jsonl"):
        jobs.setdefault((row["subset"], row["codec"]), set()).add(row["job"])
    assert not {codec: found for codec, found in jobs.items() if len(found) > 1}


def test_with_an_effort_lpips_is_ahead_and_then_even() -> None:
    """docs/settings.md says so, and that the features of lite2 do the same later."""
    head, *lines = section("Who is ahead, 24 centre crops")
    table = [dict(zip(head, line, strict=True)) for line in lines]
    ours = [row for row in table if (row["codec"], row["against"]) == ("tokcodec-effort9 perceptual", "AVIF")]
    found = {row["metric"]: row for row in ours}
    lpips, lite2 = found["lpips_squeeze"], found["features_lite2"]
    budgets = ("108 B", "202 B", "300 B", "396 B", "512 B", "768 B", "1024 B")
    assert [lpips[budget] for budget in budgets] == 4 * ["ahead"] + 3 * ["even"]
    assert [lite2[budget] for budget in budgets] == 6 * ["ahead"] + ["even"]
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert "ahead up to 396 bytes, and even with AVIF at 512 to 1,024 bytes" in text
    assert "ahead up to 768 bytes, and even with AVIF at 1,024" in text


def test_of_whole_pictures_avif_has_the_higher_psnr() -> None:
    """Two texts say so. The README also names the smallest size, and from where on AVIF has the lower LPIPS."""
    found = limits("whole")
    assert found["psnr", "tokcodec-adaptive fidelity", "avif"] == 0
    words = r"PSNR at every size that was measured, from (\d+) bytes on, and the lower LPIPS from ([\d.]+) kB on"
    claimed = re.search(words, (ROOT / "README.md").read_text(encoding="utf-8"))
    assert claimed is not None
    smallest, size = map(float, claimed.groups())
    assert smallest == pytest.approx(0.005 * settings.KODAK / 8, abs=1)
    assert 1000 * size == pytest.approx(found["lpips_squeeze", "tokcodec-adaptive perceptual", "avif"], rel=0.05)


def test_of_smoother_pictures_avif_is_ahead_earlier() -> None:
    """The README names the bytes of both sets, in PSNR and in LPIPS."""
    table = [cells(row) for row in rows(RESULTS / "other-pictures.md")]
    words = r"AVIF is ahead from (\d+) and (\d+) bytes on in PSNR, and from (\d+) and (\d+) in LPIPS"
    claimed = re.search(words, (ROOT / "README.md").read_text(encoding="utf-8"))
    assert claimed is not None
    ends = [
        row[4].split()[0]
        for metric in ("psnr", "lpips_squeeze")
        for row in table
        if (row[1], row[3]) == (metric, "AVIF")
    ]
    assert list(claimed.groups()) == ends


def test_the_card_of_the_measured_model_has_the_results() -> None:
    """By tokens: bytes, PSNR of both looks, colour (not in base-2's card), LPIPS, features, top-1 and grain."""
    head, *lines = section("tokcodec by tokens per tile, 24 centre crops")
    measured = {}
    for line in lines:
        row = dict(zip((re.sub(r" \(.*| ±.*", "", name) for name in head), line, strict=True))
        if row["pitch"] == "256":
            measured[row["codec"].removeprefix("tokcodec "), row["tokens"]] = row
    text = SUMMARY.read_text(encoding="utf-8")
    (model,) = re.findall(r"^Versions of \d+ centre crops.*\bmodel ([\w.-]+),", text, re.MULTILINE)
    card = [cells(row) for row in rows(ROOT / "models" / model / "README.md")]
    card = [row for row in card if re.fullmatch(r"[\d.]+ \(\d+\)", row[1])]
    assert len(card) == 8
    for tokens, size, *figures in card:
        f, p = measured["fidelity", tokens], measured["perceptual", tokens]
        assert size == f"{f['bytes']} ({f['largest']})"
        assert figures == [
            f["PSNR dB"].split()[0],
            p["PSNR dB"].split()[0],
            *([f"{f['ΔE 8x8']} ({p['ΔE 8x8']})"] if model != "base-2" else []),
            f"{p['lpips_squeeze']} ({p['lpips_squeeze half']})",
            f"{p['features_lite0']} ({f['features_lite0']})",
            f"{p['top-1']} ({f['top-1']})",
            p["grain"],
        ]


def test_rate_control_has_the_results_of_adaptive_files() -> None:
    """PSNR of the fidelity look on whole pictures."""
    head, *lines = section("Within a byte budget, best psnr, 24 whole pictures")
    (row,) = [line for line in lines if line[0] == "tokcodec-adaptive fidelity"]
    measured = {name.removesuffix(" bpp"): cell.split()[0] for name, cell in zip(head[1:], row[1:], strict=True)}
    head, *lines = section("Difference in psnr at equal bytes, 24 whole pictures")
    (row,) = [line for line in lines if line[0] == "tokcodec-adaptive fidelity less tokcodec fidelity"]
    over = {name.removesuffix(" bpp"): cell for name, cell in zip(head[1:], row[1:], strict=True)}
    text = (RESULTS / "rate-control.md").read_text(encoding="utf-8")
    _, _, table = text.partition("| bpp | base-3, dB | over equal counts, dB | base-2, dB |\n")
    claimed = [cells(line) for line in table.split("\n\n")[0].splitlines()[1:]]
    assert len(claimed) == 6
    for bpp, ours, gain, _ in claimed:
        assert (ours, gain) == (measured[bpp], over[bpp])


def test_rows_of_previews_are_the_results() -> None:
    measured = rows(PREVIEWS)
    page = ROOT / "formats" / "web" / "README.md"
    claimed = [row for row in rows(page) if re.search(r" B \| .*(Hash|WebP|on the web)", row)]
    assert len(claimed) >= 10 and set(claimed) <= set(measured)


def test_what_a_page_downloads_is_still_so() -> None:
    web = ROOT / "formats" / "web"
    claimed = rows(web / "README.md")
    for name, files in previews.CODE.items():
        row = next(row for row in rows(PREVIEWS) if row.startswith(f"| {name} | ") and row in claimed)
        sizes = {"code": 0, "model": 0}
        if "tokcodec" in name:
            for file in files:
                sizes["model" if file.endswith(".tokm") else "code"] += (web / file).stat().st_size
            assert f"| {sizes['code']:,} (" in row and f"| {sizes['model']:,} (" in row


def test_where_others_are_better_is_the_results() -> None:
    assert "\n".join(settings.limits()) in settings.PAGE.read_text(encoding="utf-8")


def test_every_sheet_of_the_settings_is_on_their_page() -> None:
    shown = re.findall(r"\(pictures/settings-(\w+)\.jpg\)", settings.PAGE.read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(settings.SHEETS)
    assert all((settings.PAGE.parent / "pictures" / f"settings-{name}.jpg").is_file() for name in shown)


def test_rows_of_an_effort_are_the_results() -> None:
    _, _, text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8").partition("## More effort\n")
    claimed = [line for line in text.split("\n## ")[0].splitlines() if re.match(r"\| \d+ \| ", line)]
    assert claimed and set(claimed) <= set(rows(RESULTS / "effort.md"))
