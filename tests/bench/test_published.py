"""The figures in the texts are those of the results: rows of tables are looked up there, not typed twice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.studies import settings

ROOT = Path(__file__).parents[2]
PREVIEWS = ROOT / "bench" / "results" / "previews.md"


def rows(path: Path) -> list[str]:
    """Rows of the tables of a text, without their heads and rules."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        line
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("|") and not line.startswith("|--") and not after.startswith("|--")
    ]


@pytest.mark.parametrize("text", ["README.md", "formats/web/README.md"])
def test_rows_of_previews_are_the_results(text: str) -> None:
    measured = rows(PREVIEWS)
    claimed = [row for row in rows(ROOT / text) if " B | " in row]
    assert len(claimed) >= 10 and set(claimed) <= set(measured)


def test_what_a_page_downloads_is_still_so() -> None:
    web = ROOT / "formats" / "web"
    row = next(row for row in rows(PREVIEWS) if row.startswith("| tokcodec on the web | "))
    code = sum((web / name).stat().st_size for name in ("tok.js", "tok-bitmap.js", "tok-preview.js"))
    model = (web / "base-2-64.tokm").stat().st_size
    assert f"| {code:,} (" in row and f"| {model:,} (" in row
    assert row in rows(web / "README.md")


def test_where_others_are_better_is_the_results() -> None:
    assert "\n".join(settings.limits()) in settings.PAGE.read_text(encoding="utf-8")


def test_every_sheet_of_the_settings_is_on_their_page() -> None:
    shown = re.findall(r"\(pictures/settings-(\w+)\.jpg\)", settings.PAGE.read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(settings.SHEETS)
    assert all((settings.PAGE.parent / "pictures" / f"settings-{name}.jpg").is_file() for name in shown)
