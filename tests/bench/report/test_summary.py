"""Statistics and summaries on rows whose right answers are known."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from bench.report import stats, tables
from bench.report.summary import Budget, Part, bits_per_token, summarise
from bench.results import Row, dumps

CURVE = [(50.0, 18.0), (100.0, 20.0), (200.0, 22.0), (400.0, 24.0), (800.0, 26.0)]


def test_bd_rate_of_a_codec_with_itself_is_zero() -> None:
    assert stats.bd_rate(CURVE, CURVE) == pytest.approx(0, abs=1e-9)
    assert stats.bd_quality(CURVE, CURVE) == pytest.approx(0, abs=1e-9)


def test_bd_rate_of_half_the_bytes() -> None:
    half = [(size / 2, quality) for size, quality in CURVE]
    assert stats.bd_rate(CURVE, half) == pytest.approx(-50, abs=1e-6)
    assert stats.bd_rate(half, CURVE) == pytest.approx(100, abs=1e-6)
    assert stats.bd_quality(CURVE, half) == pytest.approx(2, abs=1e-6)  # 2 dB per doubling


def test_bd_rate_without_overlap() -> None:
    better = [(size, quality + 9) for size, quality in CURVE]
    assert stats.bd_rate(CURVE, better) is None
    assert stats.bd_quality(CURVE, [(size * 100, quality) for size, quality in CURVE]) is None
    assert stats.bd_rate(CURVE, CURVE[:3]) is None, "three points do not make a curve"


def test_bd_ignores_points_that_others_beat() -> None:
    noisy = [*CURVE, (150.0, 12.0), (100.0, 19.0), (500.0, 24.0)]
    assert stats.front(noisy) == CURVE
    assert stats.bd_rate(CURVE, noisy) == pytest.approx(0, abs=1e-9)


def test_bytes_for_a_quality() -> None:
    assert stats.bytes_for(CURVE, 22) == pytest.approx(200)
    assert stats.bytes_for(CURVE, 21) == pytest.approx(math.sqrt(100 * 200))
    assert stats.bytes_for(CURVE, 30) == math.inf
    assert stats.bytes_for(CURVE, 10) is None
    assert stats.bytes_for([], 10) is None


def test_bootstrap_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        estimate = stats.bootstrap(list(rng.normal(3, 1, 24)))
        assert estimate is not None
        assert estimate.n == 24
        inside += estimate.low <= 3 <= estimate.high
    assert 0.88 <= inside / 200 <= 0.99
    assert stats.bootstrap([]) is None
    same = stats.bootstrap([2.0, 2.0, 2.0])
    assert same is not None
    assert (same.low, same.mean, same.high) == (2, 2, 2)


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


def test_summary_of_known_rows() -> None:
    facts = summarise(rows())
    (part,) = facts["parts"]
    assert facts["versions"] == {"v": "1"}
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
    json.loads(dumps(facts))


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
    table = next(t for t in tables.tables(summarise(some)) if t.title.startswith("At most so many bytes, best psnr"))
    cells = dict(zip(table.header, next(r for r in table.rows if r[0] == "webp-down"), strict=True))
    assert cells["32 B"] == "(1 of 2)"
    assert cells["24 B"] == "-"
    assert cells["256 B"].startswith("17.00 ±1.4 (0.400)")


def test_bits_per_token_from_real_sizes() -> None:
    full = [
        row(name, "tokcodec", {"pitch": 256, "tokens": 24}, 60, 20, sizes=[[8, 20], [16, 30], [24, 42]], tiles=1)
        for name in ("easy", "hard")
    ]
    assert bits_per_token(Part("crop256", full)) == {"tokcodec": [(12.0, 10.0), (20.0, 12.0)]}
