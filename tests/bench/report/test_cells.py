"""Tables in Markdown: what is written reads back."""

from __future__ import annotations

import pytest

from bench.report.cells import Table, read_table


def test_tables_read_back() -> None:
    first = Table("By tokens, crops", ["codec", "", "bytes"], [["a", "x", "1"], ["b", "-", "2"]], "A note | of it.")
    second = Table("By tokens, whole", ["codec"], [["c"]])
    text = "\n".join(["# Results", "", first.markdown(), second.markdown()])
    for table in (first, second):
        assert read_table(text, table.title) == (table.header, table.rows)
    for title in ("By tokens", "By bytes"):
        with pytest.raises(ValueError, match="unpack"):
            read_table(text, title)
