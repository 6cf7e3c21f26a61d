"""Fixtures of the bench's tests: small photographs, LPIPS weights if they are installed, and a stand-in codec."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from bench import run
from bench.codecs.interface import Codec
from bench.codecs.registry import make_codecs
from bench.codecs.tok import ModelFacts, TokCodec

TOKENS = 256
_HEADER = struct.Struct(">BBHHHH")
_CELLS = [
    (x * 16 // side, y * 16 // side, 16 // side)
    for side in (1, 2, 4, 8, 16)
    for y in range(side)
    for x in range(side)
    if side == 1 or x % 2 or y % 2
]
FACTS = ModelFacts("fake-1", "ab" * 32, TOKENS, True, ("fidelity", "perceptual"))


def _grid(width: int, height: int, pitch: int) -> tuple[int, int]:
    return max(1, (2 * width + pitch) // (2 * pitch)), max(1, (2 * height + pitch) // (2 * pitch))


def _pack(tokens: Any, header: tuple[int, ...]) -> bytes:
    bits = "".join(f"{token:012b}" for token in np.asarray(tokens).T.ravel())
    body = int(bits.ljust(-len(bits) % 8 + len(bits), "0"), 2).to_bytes((len(bits) + 7) // 8, "big")
    return _HEADER.pack(*header) + body


class FakeTok:
    """A stand-in for tokcodec with the same functions: a quadtree of mean colours, 256 tokens of 12 bits a tile.

    Token 0 is a tile's mean colour, the next 3 those of its quadrants, and so on down to 16x16 cells: quality rises
    with the tokens, any prefix decodes, and nothing is trained.
    """

    __version__ = "0.fake"

    @staticmethod
    def encode(
        image: Any, *, tokens: int | None = None, pitch: int = 256, model: Any = None, device: str = "auto"
    ) -> bytes:
        count = TOKENS if tokens is None else tokens
        columns, rows = _grid(image.width, image.height, pitch)
        small = np.asarray(image.resize((columns * 16, rows * 16), Image.Resampling.BOX), np.float64)
        found = []
        for row in range(rows):
            for column in range(columns):
                tile = small[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16]
                means = [tile[y : y + s, x : x + s].mean(axis=(0, 1)) for x, y, s in _CELLS[:count]]
                found.append([int(r // 16) << 8 | int(g // 16) << 4 | int(b // 16) for r, g, b in means])
        return _pack(found, (0xF5, 0x10, pitch, image.width, image.height, count))

    @staticmethod
    def read_tokens(data: bytes, *, model: Any = None) -> Any:
        _, _, pitch, width, height, count = _HEADER.unpack(data[:10])
        columns, rows = _grid(width, height, pitch)
        bits = "".join(f"{byte:08b}" for byte in data[10:])
        held = min(len(bits) // 12, count * columns * rows)
        tokens = np.full(count * columns * rows, -1)
        tokens[:held] = [int(bits[i * 12 : i * 12 + 12], 2) for i in range(held)]
        return tokens.reshape(count, columns * rows).T

    @staticmethod
    def truncate(data: bytes, *, tokens: int | None = None, size: int | None = None, model: Any = None) -> bytes:
        header = list(_HEADER.unpack(data[:10]))
        if tokens is not None:
            header[5] = tokens
            return _pack(FakeTok.read_tokens(data)[:, :tokens], tuple(header))
        if size is None or size < 10:
            raise ValueError("size too small")
        return data[:size]

    @staticmethod
    def decode(
        data: bytes, *, tokens: int | None = None, device: str = "auto", look: str | None = None, model: Any = None
    ) -> Image.Image:
        _, _, pitch, width, height, _ = _HEADER.unpack(data[:10])
        columns, rows = _grid(width, height, pitch)
        small = np.full((rows * 16, columns * 16, 3), 128, np.uint8)
        for index, tile in enumerate(FakeTok.read_tokens(data)):
            top, left = index // columns * 16, index % columns * 16
            for token, (x, y, s) in zip(tile, _CELLS, strict=False):
                if token >= 0:
                    colour = [(int(token) >> shift & 15) * 16 + 8 for shift in (8, 4, 0)]
                    small[top + y : top + y + s, left + x : left + x + s] = colour
        smooth = Image.Resampling.BOX if look == "perceptual" else Image.Resampling.BICUBIC
        return Image.fromarray(small).resize((width, height), smooth)


def svg_only(patch: pytest.MonkeyPatch) -> None:
    """Plots are written as SVG alone, which takes half the time."""
    save = Figure.savefig

    def savefig(figure: Figure, path: Path, **options: Any) -> None:
        if path.suffix != ".png":
            save(figure, path, **options)

    patch.setattr(Figure, "savefig", savefig)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small crops of scikit-image's photographs."""
    data = pytest.importorskip("skimage.data")
    folder = tmp_path_factory.mktemp("photographs")
    Image.fromarray(data.astronaut()[:240, 100:400]).save(folder / "astronaut.png")
    Image.fromarray(data.coffee()[100:340, 200:500]).save(folder / "coffee.png")
    return folder


@pytest.fixture
def tile() -> np.ndarray[Any, Any]:
    """A 256x256 uint8 photograph."""
    data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(data.astronaut()[:256, 100:356])


def _adapter(facts: ModelFacts = FACTS, **arguments: Any) -> TokCodec:
    return TokCodec(api=FakeTok, facts=facts, **arguments)


def _install(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_fake(options: dict[str, Any]) -> dict[str, Codec]:
        names = [name for name in options["codecs"] if not name.startswith("tokcodec")]
        found = {} if options["codecs"] and not names else make_codecs(options | {"codecs": names})
        found = {label: codec for label, codec in found.items() if not label.startswith("tokcodec")}
        return found | {"tokcodec": _adapter(pitches=options["pitches"])}

    monkeypatch.setattr(run, "make_codecs", with_fake)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., TokCodec]:
    """Makes the bench's "tokcodec" the stand-in (with --jobs 1); returns a maker of adapters for direct use."""
    _install(monkeypatch)
    return _adapter


@pytest.fixture(scope="module")
def fake_everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same for all tests of a module, and neither LPIPS nor recognition."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("TOKCODEC_LPIPS", raising=False)
        monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        monkeypatch.setattr(run, "find_recognition", lambda: "not wanted")
        _install(monkeypatch)
        yield
