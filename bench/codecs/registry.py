"""Makes all codecs of the bench whose packages are installed, by label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.codecs.classical import classical_codecs
from bench.codecs.downscale import downscaled_codecs
from bench.codecs.interface import Codec
from bench.codecs.previews import preview_codecs
from bench.codecs.tok import TokCodec
from bench.codecs.tok_adaptive import AdaptiveTokCodec, BareTokCodec, EffortTokCodec


def make_codecs(options: dict[str, Any]) -> dict[str, Codec]:
    """All codecs that can run, by label: those of Pillow, their downscaled forms, previews, and tokcodec.

    Args:
        options: "models" (names or folders; None: the default model), "pitches", "device", "effort" (0: tokcodec
            without an effort only), and "codecs" (labels to keep, empty for all; a name also matches its downscaled
            form and its models).

    Raises:
        ValueError: A name in "codecs" matches nothing.
    """
    found: list[Codec] = [*preview_codecs(), *classical_codecs(), *downscaled_codecs()]
    wanted: Sequence[str] = options.get("codecs") or ()
    if not wanted or any(name.startswith("tokcodec") for name in wanted):
        for model in options.get("models") or (None,):
            device = options.get("device", "auto")
            found.append(TokCodec(model, pitches=options.get("pitches"), device=device))
            found += [AdaptiveTokCodec(model, device=device), BareTokCodec(model, device=device)]
            if options.get("effort"):
                found.append(EffortTokCodec(options["effort"], model, device=device))
    if wanted:
        for name in wanted:
            if not any(_matches(name, codec.label) for codec in found):
                known = ", ".join(dict.fromkeys([*(codec.label for codec in found), "tokcodec"]))
                raise ValueError(f"no codec {name!r} here, or its package is not installed; there are: {known}")
        found = [codec for codec in found if any(_matches(name, codec.label) for name in wanted)]
    return {codec.label: codec for codec in found}


def _matches(name: str, label: str) -> bool:
    return label == name or label.startswith((f"{name}-", f"{name}:"))
