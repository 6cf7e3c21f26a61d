"""The options of encoding and decoding: their defaults, those of the public functions, and every refusal."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tokcodec import codec
from tokcodec.container.header import PITCHES, Header
from tokcodec.contents import pack
from tokcodec.datasets.bulk import encode_many, encode_many_with
from tokcodec.errors import LimitError, UnknownModelError
from tokcodec.models.modelfile import Model
from tokcodec.options import DecodeOptions, EncodeOptions
from tokcodec.pictures.limits import DEFAULT_MAX_PIXELS, FIT
from tokcodec.ratecontrol.targets import BPP, LPIPS, PSNR, SIZE, Target

TARGETS = {"target_size": 2000, "target_bpp": 0.05, "target_psnr": 22.0, "target_lpips": 0.3}


@pytest.fixture
def unordered(tiny: Model) -> Model:
    return dataclasses.replace(tiny, ordered=False)


# ---- one place for names and defaults


@pytest.mark.parametrize(
    ("function", "options", "names", "apart"),
    [
        (codec.encode, EncodeOptions, None, {"warn", "progress"}),
        (codec.decode, DecodeOptions, None, {"warn", "progress"}),
        (encode_many, EncodeOptions, {"tokens", "pitch", "model", "device"}, {"max_pixels", "jobs"}),
    ],
)
def test_public_functions_take_them_with_the_same_types_and_defaults(
    function: Callable[..., Any], options: type, names: set[str] | None, apart: set[str]
) -> None:
    """names: those of the options that the function takes, None for all; apart: its other keyword arguments."""
    keywords = [one for one in inspect.signature(function).parameters.values() if one.kind is one.KEYWORD_ONLY]
    given = {one.name: (one.annotation, one.default) for one in keywords if one.name not in apart}
    fields = {field.name: (field.type, field.default) for field in dataclasses.fields(options)}
    assert given == {name: fields[name] for name in names or fields}


@pytest.mark.parametrize("name", ["encode", "decode"])
def test_public_functions_hand_all_of_them_on(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    options = {"encode": EncodeOptions, "decode": DecodeOptions}[name]
    given: dict[str, Any] = {field.name: object() for field in dataclasses.fields(options)}
    received: list[Any] = []
    monkeypatch.setattr(codec, f"{name}_with", lambda source, options, **more: received.append((options, more)))
    getattr(codec, name)(b"", **given, warn=print, progress=print)
    assert received == [(options(**given), {"warn": print, "progress": print})]


@pytest.mark.parametrize("options", [EncodeOptions, DecodeOptions])
def test_every_option_is_described(options: type) -> None:
    for field in dataclasses.fields(options):
        assert f"{field.name}:" in str(options.__doc__) or f"{field.name}," in str(options.__doc__), field.name


def test_frozen_and_by_name_alone() -> None:
    for options in (EncodeOptions(), DecodeOptions()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            options.tokens = 3  # type: ignore[misc]
    for kind in (EncodeOptions, DecodeOptions):
        with pytest.raises(TypeError, match="positional"):
            kind(3)  # type: ignore[misc]


def test_defaults(tiny: Model) -> None:
    options = EncodeOptions()
    assert options.tokens_of(tiny) == tiny.default_tokens
    assert options.step() == 256
    assert options.target_of(tiny) is None and options.plain
    assert DecodeOptions().max_pixels == DEFAULT_MAX_PIXELS


# ---- tokens


def test_tokens(tiny: Model, unordered: Model) -> None:
    for count in (1, tiny.n_tokens):
        assert EncodeOptions(tokens=count).tokens_of(tiny) == count
        DecodeOptions(tokens=count).check(tiny)
    for options in (DecodeOptions(), DecodeOptions(tokens=tiny.n_tokens)):
        options.check(unordered)


@pytest.mark.parametrize("count", [-1, 0, 17])
def test_tokens_beyond_the_model_are_refused(tiny: Model, count: int) -> None:
    with pytest.raises(ValueError, match=rf"^tokens must be 1\.\.16 for model tiny, not {count}$"):
        EncodeOptions(tokens=count).tokens_of(tiny)
    with pytest.raises(ValueError, match=rf"^tokens must be 1\.\.16 for model tiny, not {count}$"):
        DecodeOptions(tokens=count).check(tiny)


def test_fewer_tokens_of_a_model_without_order_are_refused(unordered: Model) -> None:
    assert EncodeOptions(tokens=16).tokens_of(unordered) == 16
    with pytest.raises(ValueError, match=r"model tiny is not ordered \(no tail drop\): it needs all 16 tokens"):
        EncodeOptions(tokens=15).tokens_of(unordered)
    with pytest.raises(ValueError, match=r"model tiny is not ordered \(no tail drop\): it needs all 16 tokens"):
        DecodeOptions(tokens=15).check(unordered)


# ---- pitch and container


def test_pitches() -> None:
    for pitch in PITCHES[1:]:
        assert EncodeOptions(pitch=pitch).step() == pitch
    assert EncodeOptions(pitch="fit").step() == FIT
    assert EncodeOptions(container="bare").step() == EncodeOptions(container="bare", pitch="fit").step() == FIT


@pytest.mark.parametrize("pitch", [0, 15, 100, 4096, "16", "wide"])
def test_other_pitches_are_refused(pitch: int | str) -> None:
    with pytest.raises(ValueError, match=rf"^pitch must be fit or one of 16, .*, 2048, not {pitch}$"):
        EncodeOptions(pitch=pitch).step()


def test_bare_files_have_one_tile() -> None:
    with pytest.raises(ValueError, match=r"^the bare container holds one tile: pitch must be fit, not 256$"):
        EncodeOptions(container="bare", pitch=256).step()


def test_unknown_containers_are_refused(tiny: Model) -> None:
    with pytest.raises(ValueError, match=r"^container must be tok or bare, not 'zip'$"):
        EncodeOptions(container="zip").step()
    with pytest.raises(ValueError, match=r"^container must be tok or bare, not 'zip'$"):
        DecodeOptions(container="zip").read(b"")


# ---- targets


@pytest.mark.parametrize(("name", "kind"), list(zip(TARGETS, (SIZE, BPP, PSNR, LPIPS), strict=True)))
def test_one_target(tiny: Model, name: str, kind: str) -> None:
    options = EncodeOptions(**{name: TARGETS[name]})  # type: ignore[arg-type]
    assert options.target_of(tiny) == Target(kind, TARGETS[name])
    assert not options.plain


def test_no_target(tiny: Model) -> None:
    assert EncodeOptions(tokens=5).target_of(tiny) is None
    assert EncodeOptions(tokens=5, adaptive=True).target_of(tiny) is None


def test_two_targets_or_tokens_beside_one_are_refused(tiny: Model) -> None:
    with pytest.raises(ValueError, match="give one target, not 2: size and psnr"):
        EncodeOptions(target_size=100, target_psnr=20).target_of(tiny)
    with pytest.raises(ValueError, match="give no tokens with it"):
        EncodeOptions(target_size=100, tokens=8).target_of(tiny)


def test_a_target_is_checked_for_its_container(tiny: Model) -> None:
    with pytest.raises(ValueError, match="target size must be at least 11 bytes, not 10"):
        EncodeOptions(target_size=10).target_of(tiny)
    assert EncodeOptions(target_size=10, container="bare").target_of(tiny) == Target(SIZE, 10)


@pytest.mark.parametrize("given", [{"target_size": 100}, {"adaptive": True}], ids=str)
def test_models_without_order_have_nothing_to_choose(unordered: Model, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^model tiny is not ordered: it always takes all tokens"):
        EncodeOptions(**given).target_of(unordered)
    assert EncodeOptions().target_of(unordered) is None


# ---- many pictures


@pytest.mark.parametrize("given", [{"container": "bare"}, {"adaptive": True}, {"target_size": 0}], ids=str)
def test_what_looks_at_one_picture_at_a_time(given: dict[str, Any]) -> None:
    options = EncodeOptions(**given)
    assert not options.plain
    with pytest.raises(ValueError, match="one by one"):
        next(encode_many_with(["x.png"], options))


# ---- reading


def test_reading(tiny: Model) -> None:
    coded = np.arange(16)[None]
    data = pack(Header(tiny.id, 16, FIT, 40, 30), tiny, coded)
    assert np.array_equal(DecodeOptions(model="tiny").read(data).coded, coded)
    with pytest.raises(LimitError):
        DecodeOptions(model="tiny", max_pixels=40 * 30 - 1).read(data)
    with pytest.raises(UnknownModelError):
        DecodeOptions(model="none").read(data)
    with pytest.raises(ValueError, match="size is for the bare container"):
        DecodeOptions(size=(40, 30)).read(data)


def test_reading_a_bare_file(tiny: Model) -> None:
    coded = np.arange(16)[None]
    data = pack(Header(tiny.id, 16, FIT, 40, 30), tiny, coded, container="bare")
    header = DecodeOptions(container="bare", size=(40, 30), model="tiny").read(data).header
    assert (header.width, header.height, header.tokens) == (40, 30, 16)
