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
from tokcodec.datasets.bulk import encode_many
from tokcodec.errors import LimitError, UnknownModelError
from tokcodec.models.modelfile import Model
from tokcodec.options import DecodeOptions, EncodeOptions, check_tokens
from tokcodec.pictures.limits import DEFAULT_MAX_PIXELS, FIT
from tokcodec.ratecontrol.focus import Region
from tokcodec.ratecontrol.targets import BPP, LPIPS, PSNR, SIZE, Target

TARGETS = {"target_size": 2000, "target_bpp": 0.05, "target_psnr": 22.0, "target_lpips": 0.3}


@pytest.fixture
def unordered(tiny: Model) -> Model:
    return dataclasses.replace(tiny, ordered=False, default_tokens=tiny.n_tokens)


# ---- one place for names and defaults


@pytest.mark.parametrize(("function", "options"), [(codec.encode, EncodeOptions), (codec.decode, DecodeOptions)])
def test_public_functions_take_them_with_the_same_types_and_defaults(
    function: Callable[..., Any], options: type
) -> None:
    keywords = [one for one in inspect.signature(function).parameters.values() if one.kind is one.KEYWORD_ONLY]
    given = {one.name: (one.annotation, one.default) for one in keywords if one.name not in {"warn", "progress"}}
    assert given == {field.name: (field.type, field.default) for field in dataclasses.fields(options)}


@pytest.mark.parametrize("name", ["encode", "decode"])
def test_public_functions_hand_all_of_them_on(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    kind, method = {"encode": (EncodeOptions, "resolve"), "decode": (DecodeOptions, "read")}[name]
    given: dict[str, Any] = {field.name: object() for field in dataclasses.fields(kind)}
    received: list[Any] = []

    def stop(options: Any, *data: bytes) -> None:
        received.append(options)
        raise InterruptedError

    monkeypatch.setattr(kind, method, stop)
    with pytest.raises(InterruptedError):
        getattr(codec, name)(b"", **given)
    assert received == [kind(**given)]


@pytest.mark.parametrize("function", [codec.encode, codec.decode])
def test_every_argument_has_a_line_of_its_own(function: Callable[..., Any]) -> None:
    lines = (inspect.getdoc(function) or "").splitlines()
    for name in inspect.signature(function).parameters:
        assert [line for line in lines if line.startswith(f"    {name}: ")], name


def test_frozen_and_by_name_alone() -> None:
    for options in (EncodeOptions(), DecodeOptions()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            options.tokens = 3  # type: ignore[misc]
    for kind in (EncodeOptions, DecodeOptions):
        with pytest.raises(TypeError, match="positional"):
            kind(3)  # type: ignore[misc]


def test_defaults(tiny: Model) -> None:
    settings = EncodeOptions(model="tiny").resolve()
    assert (settings.model, settings.tokens, settings.pitch) == (tiny, tiny.default_tokens, 256)
    assert settings.target is None and settings.plain and not settings.pitch_given
    assert DecodeOptions().max_pixels == DEFAULT_MAX_PIXELS


# ---- tokens


def test_tokens(tiny: Model, unordered: Model) -> None:
    for count in (1, tiny.n_tokens):
        assert EncodeOptions(tokens=count).resolve(tiny).tokens == count
        check_tokens(count, tiny)
    for tokens in (None, tiny.n_tokens):
        assert check_tokens(tokens, unordered) == tiny.n_tokens


@pytest.mark.parametrize("count", [-1, 0, 17])
def test_tokens_beyond_the_model_are_refused(tiny: Model, count: int) -> None:
    with pytest.raises(ValueError, match=rf"^tokens must be 1\.\.16 for model tiny, not {count}$"):
        EncodeOptions(tokens=count).resolve(tiny)
    with pytest.raises(ValueError, match=rf"^tokens must be 1\.\.16 for model tiny, not {count}$"):
        check_tokens(count, tiny)


def test_fewer_tokens_of_a_model_without_order_are_refused(unordered: Model) -> None:
    assert EncodeOptions(tokens=16).resolve(unordered).tokens == 16
    with pytest.raises(ValueError, match=r"model tiny is not ordered \(no tail drop\): it needs all 16 tokens"):
        EncodeOptions(tokens=15).resolve(unordered)
    with pytest.raises(ValueError, match=r"model tiny is not ordered \(no tail drop\): it needs all 16 tokens"):
        check_tokens(15, unordered)


# ---- pitch and container


def test_pitches(tiny: Model) -> None:
    pitch: int | str | None
    for pitch in PITCHES[1:]:
        assert EncodeOptions(pitch=pitch).resolve(tiny).pitch == pitch
    assert EncodeOptions(pitch="fit").resolve(tiny).pitch == FIT
    for pitch in (None, "fit"):
        assert EncodeOptions(container="bare", pitch=pitch).resolve(tiny).pitch == FIT


@pytest.mark.parametrize("pitch", [0, 15, 100, 4096, "16", "wide"])
def test_other_pitches_are_refused(tiny: Model, pitch: int | str) -> None:
    with pytest.raises(ValueError, match=rf"^pitch must be fit or one of 16, .*, 2048, not {pitch}$"):
        EncodeOptions(pitch=pitch).resolve(tiny)


def test_bare_files_have_one_tile(tiny: Model) -> None:
    with pytest.raises(ValueError, match=r"^the bare container holds one tile: pitch must be fit, not 256$"):
        EncodeOptions(container="bare", pitch=256).resolve(tiny)


def test_unknown_containers_are_refused(tiny: Model) -> None:
    with pytest.raises(ValueError, match=r"^container must be tok or bare, not 'zip'$"):
        EncodeOptions(container="zip").resolve(tiny)
    with pytest.raises(ValueError, match=r"^container must be tok or bare, not 'zip'$"):
        DecodeOptions(container="zip").read(b"")


# ---- targets


@pytest.mark.parametrize(("name", "kind"), list(zip(TARGETS, (SIZE, BPP, PSNR, LPIPS), strict=True)))
def test_one_target(tiny: Model, name: str, kind: str) -> None:
    settings = EncodeOptions(**{name: TARGETS[name]}).resolve(tiny)  # type: ignore[arg-type]
    assert settings.target == Target(kind, TARGETS[name])
    assert not settings.plain


def test_no_target(tiny: Model) -> None:
    assert EncodeOptions(tokens=5).resolve(tiny).target is None
    assert EncodeOptions(tokens=5, adaptive=True).resolve(tiny).target is None


def test_two_targets_or_tokens_beside_one_are_refused(tiny: Model) -> None:
    with pytest.raises(ValueError, match="give one target, not 2: size and psnr"):
        EncodeOptions(target_size=100, target_psnr=20).resolve(tiny)
    with pytest.raises(ValueError, match="give no tokens with it"):
        EncodeOptions(target_size=100, tokens=8).resolve(tiny)


def test_a_target_is_checked_for_its_container(tiny: Model) -> None:
    with pytest.raises(ValueError, match="target size must be at least 11 bytes, not 10"):
        EncodeOptions(target_size=10).resolve(tiny)
    assert EncodeOptions(target_size=10, container="bare").resolve(tiny).target == Target(SIZE, 10)


@pytest.mark.parametrize("given", [{"target_size": 100}, {"adaptive": True}], ids=str)
def test_models_without_order_have_nothing_to_choose(unordered: Model, given: dict[str, Any]) -> None:
    text = "^model tiny is not ordered: it needs all tokens"
    with pytest.raises(ValueError, match=text):
        EncodeOptions(**given).resolve(unordered)
    assert EncodeOptions().resolve(unordered).target is None


# ---- many pictures


@pytest.mark.parametrize("given", [{"container": "bare"}, {"adaptive": True}, {"target_size": 100}], ids=str)
def test_what_looks_at_one_picture_at_a_time(tiny: Model, given: dict[str, Any]) -> None:
    options = EncodeOptions(model="tiny", **given)
    assert not options.resolve().plain
    with pytest.raises(ValueError, match="one by one"):
        next(encode_many(["x.png"], options))


# ---- focus


def test_regions_are_parsed_once_and_weigh_the_pixels(tiny: Model) -> None:
    settings = EncodeOptions(target_size=100, focus=["0,0,50%,100%:3"]).resolve(tiny)
    assert settings.regions == (Region((0, 0, 50, 100), (False, False, True, True), 3.0),)
    weights = settings.weights(8, 4, print)
    assert weights is not None and np.allclose(weights.rows(0, 4)[0], [1.5] * 4 + [0.5] * 4)
    assert EncodeOptions(target_size=100).resolve(tiny).weights(8, 4, print) is None


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


@pytest.mark.parametrize("colour", ["white", "Black", "#f80", "#ff8800", "rgb(1, 2, 3)", "hsl(0, 100%, 50%)"])
def test_backgrounds(tiny: Model, colour: str) -> None:
    EncodeOptions(background=colour).resolve(tiny)


@pytest.mark.parametrize("colour", ["", "nothing", "#12", "#ff880080", "transparent", 3, None])
def test_what_is_no_background(tiny: Model, colour: Any) -> None:
    with pytest.raises(ValueError, match="background must be a colour"):
        EncodeOptions(background=colour).resolve(tiny)
