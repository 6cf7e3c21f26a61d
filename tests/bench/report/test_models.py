"""Models at the bytes of their whole files, on rows whose right answers are known."""

from __future__ import annotations

from bench.report import tables
from bench.report.summary import summarise
from bench.results import Row
from tests.bench.report.test_summary import row
from tokcodec.container.header import HEADER_SIZE


def whole(picture: str, codec: str, look: str, size: int, psnr: float, tokens: int, millions: int) -> Row:
    """A file with all tokens of a single tile."""
    model = {"tile": 256, "parameters": millions * 1_000_000}
    setting = {"pitch": 256, "tokens": tokens, "look": look}
    return row(picture, codec, setting, size, psnr, model=model, tiles=1)


def rows() -> list[Row]:
    """A model of 64 tokens with 12 bits, tokcodec with files of 58, 106 and 394 bytes, and WebP of 100 bytes."""
    found = []
    for picture, more in (("a", 0), ("b", 2)):
        found.append(whole(picture, "tokcodec:odp", "fidelity", HEADER_SIZE + 96, 17 + more, 64, 84))
        for look, gain in (("fidelity", 1), ("perceptual", 0)):
            found.append(whole(picture, "tokcodec", look, 394, 22 + gain + more, 256, 5))
            for tokens, size in ((32, 58), (64, 106)):
                setting = {"pitch": 256, "tokens": tokens, "look": look}
                found.append(row(picture, "tokcodec", setting, size, 9 + tokens / 8 + gain + more))
        for ending, psnr in (("down", 15.0), ("nearest", 14.0)):
            found.append(row(picture, f"webp-{ending}", {"scale": 0.25, "quality": 1}, 100, psnr + more))
    found.append(row("a", "avif-down", {"scale": 0.25, "quality": 1}, 106, 16.0))
    found.append(row("b", "avif-down", {"scale": 0.25, "quality": 1}, 107, 30.0))
    return found


def table(title: str, made: list[Row]) -> list[dict[str, str]]:
    (part,) = summarise(made)["parts"]
    (found,) = [each for each in tables.tables({"parts": [part]}) if each.title.startswith(title)]
    return [dict(zip(found.header, cells, strict=True)) for cells in found.rows]


def test_what_a_model_costs() -> None:
    own, other, odp = table("Models with all tokens", rows())
    assert (own["model"], other["model"]) == ("tokcodec fidelity", "tokcodec perceptual")
    assert (own["file, bytes"], own["psnr"], odp["model"]) == ("394.0", "24.00", "tokcodec:odp fidelity")
    assert (odp["tokens"], odp["bits a token"], odp["parameters, M"]) == ("64", "12.00", "84.0")
    assert (odp["payload, bytes"], odp["file, bytes"]) == ("96.0", "106.0")
    assert (odp["encode, s"], odp["decode, s"], odp["psnr"]) == ("0.01", "0.02", "18.00")


def test_all_at_the_bytes_of_a_model() -> None:
    own, odp = table("At the bytes of each model", rows())
    assert (own["bytes of"], own["tokcodec"], odp["bytes of"]) == ("tokcodec", "24.00", "tokcodec:odp")
    assert odp["tokcodec"] == "19.00", "the file of the same size in the better look, and no larger one"
    assert odp["WebP"] == "16.00", "the better way of enlarging"
    assert odp["AVIF"] == "(1 of 2)"
    assert "JPEG" not in odp


def test_no_such_tables_without_a_named_model() -> None:
    made = [each for each in rows() if each["codec"] != "tokcodec:odp"]
    (part,) = summarise(made)["parts"]
    assert part["models"] == {"costs": [], "beside": []}
    assert not any("model" in each.title.lower() for each in tables.tables({"parts": [part]}))
