"""Makes colour profiles (ICC.1) from primaries and a curve, and reads the tags of embedded ones."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
"""Chromaticity x, y."""

D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
SRGB_POINTS: tuple[Point, Point, Point, Point] = ((0.3127, 0.329), (0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
"""White, red, green and blue of sRGB."""


def gamma_curve(gamma: float) -> bytes:
    """A curve by which light is the sample to the power of gamma. 1 is linear."""
    return b"para\0\0\0\0\0\0\0\0" + _fixed(gamma)


def srgb_curve() -> bytes:
    """The curve of sRGB (IEC 61966-2-1)."""
    values = 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045
    return b"para\0\0\0\0\0\3\0\0" + b"".join(map(_fixed, values))


def rgb_profile(points: Sequence[Point], curve: bytes) -> bytes:
    """A profile of an RGB display.

    Args:
        points: chromaticities of white, red, green and blue.
        curve: of all three, from `gamma_curve` or `srgb_curve`.

    Raises:
        ValueError: the points make no colour space.
    """
    colorants = rgb_to_xyz(points).T
    tags = {b"wtpt": _xyz(D50)}
    tags |= {name + b"XYZ": _xyz(column) for name, column in zip((b"r", b"g", b"b"), colorants, strict=True)}
    return _profile(b"RGB ", tags | {name + b"TRC": curve for name in (b"r", b"g", b"b")})


def grey_profile(curve: bytes) -> bytes:
    """A profile of grey with a curve, from `gamma_curve`, `srgb_curve` or another profile."""
    return _profile(b"GRAY", {b"wtpt": _xyz(D50), b"kTRC": curve})


def rgb_to_xyz(points: Sequence[Point]) -> NDArray[np.float64]:
    """The matrix from linear RGB to XYZ for D50, by Bradford's adaptation.

    Args:
        points: chromaticities of white, red, green and blue.

    Raises:
        ValueError: the points make no colour space.
    """
    try:
        white, *primaries = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in points)
        matrix = np.stack(primaries, axis=1)
        matrix = matrix * np.linalg.solve(matrix, white)
        cones = (_BRADFORD @ D50) / (_BRADFORD @ white)
    except (ZeroDivisionError, np.linalg.LinAlgError) as error:
        raise ValueError("chromaticities that make no colour space") from error
    adapted: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ (cones[:, None] * _BRADFORD) @ matrix
    if not np.isfinite(adapted).all() or np.abs(adapted).max() > 4:
        raise ValueError("chromaticities that make no colour space")
    return adapted


def profile_tags(profile: bytes) -> dict[bytes, bytes]:
    """The tags of a profile by name: type and data of each. Damaged ones are left out."""
    count = min(int.from_bytes(profile[128:132], "big"), (len(profile) - 132) // 12)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(count))
    return {name: profile[at : at + size] for name, at, size in entries if at + size <= len(profile)}


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: Sequence[float] | NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A display's profile of version 4: header, table of tags, data."""
    at, table, data = 132 + 12 * len(tags), b"", b""
    for name, value in tags.items():
        table += name + struct.pack(">II", at + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(data), b"none", 0x04000000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(_fixed, D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data
