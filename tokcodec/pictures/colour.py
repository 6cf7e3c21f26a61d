"""Converts pictures from their colour profiles to sRGB by littleCMS, and 16-bit samples with all of their bits."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from .profiles import SRGB_POINTS, gamma_curve, grey_profile, profile_tags, rgb_to_xyz

Warn = Callable[[str], None]
_BROKEN = ImageCms.PyCMSError, OSError, ValueError, TypeError
_MODES = {"GRAY": "L"}  # Pillow's modes by the colour space of a profile, where the names differ
_STRIP = 1 << 20  # pixels that are converted at a time
_DAMAGED = "the colour profile is damaged and is ignored"


def to_srgb(image: Image.Image, profile: bytes | None, warn: Warn) -> Image.Image:
    """Convert a picture to sRGB by its profile (perceptual intent), or without one by Pillow's plain conversion.

    Args:
        image: picture of mode L, RGB, CMYK or LAB.
        profile: an ICC profile.
        warn: called with a line if the profile cannot be used.
    """
    if profile and image.mode != "LAB":
        try:
            source = _open(profile)
            space = _space(source)
            if space == "RGB" and image.mode == "L":
                image = image.convert("RGB")  # grey written with the profile of a colour picture
            if _MODES.get(space, space) == image.mode:
                if is_srgb(profile):
                    return image
                return _apply(source, image)
            warn(f"the {space} colour profile does not fit a {image.mode} picture and is ignored")
        except _BROKEN:
            warn(_DAMAGED)
    if image.mode == "CMYK":
        warn("CMYK without a usable colour profile: the colours are a guess")
    if image.mode == "RGB" and "icc_profile" not in image.info:
        return image  # without a copy, which would need 4 bytes per pixel
    converted = image.convert("RGB")
    converted.info.pop("icc_profile", None)  # it has been used: encoding the picture must not repeat the note
    return converted


@lru_cache(64)
def is_srgb(profile: bytes) -> bool:
    """Whether a profile changes no colour by more than 1 of 255. Its effect counts, not its name.

    Raises:
        PyCMSError, OSError, ValueError, TypeError: the profile is damaged.
    """
    source = _open(profile)
    if _space(source) != "RGB":
        return False
    before = _probe()
    after = np.asarray(_apply(source, Image.fromarray(before)), np.int16)
    return bool(np.abs(after - before).max() <= 1)


def changes_colours(profile: bytes | None) -> bool:
    """Whether a picture must be converted by its profile. A damaged one is ignored."""
    try:
        return profile is not None and not is_srgb(profile)
    except _BROKEN:
        return False


def _probe() -> NDArray[np.uint8]:
    """Colours to try a profile with, uint8 [n, 1, 3]: all greys and all mixtures of six levels."""
    greys = [(level, level, level) for level in range(256)]
    return np.array([*greys, *product(range(0, 256, 51), repeat=3)], np.uint8)[:, None]


def _open(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def _space(profile: ImageCms.ImageCmsProfile) -> str:
    return profile.profile.xcolor_space.strip()


def _apply(source: ImageCms.ImageCmsProfile, image: Image.Image) -> Image.Image:
    target = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(source, target, image.mode, "RGB", ImageCms.Intent.PERCEPTUAL)
    converted = transform.apply(image)
    converted.info.pop("icc_profile", None)
    return converted


# ---- 16-bit samples


def samples_to_srgb(samples: NDArray[np.uint16], profile: bytes | None, warn: Warn) -> Image.Image:
    """Convert 16-bit samples to an 8-bit picture in sRGB. A profile of curves and a matrix is applied with all bits.

    Args:
        samples: uint16 height x width x 1 (grey) or 3 (RGB), 65535 is white.
        profile: an ICC profile.
        warn: called with a line if the profile cannot be used.
    """
    if profile:
        try:
            source = _open(profile)
            space = _space(source)
            fits = space == "RGB" or (space == "GRAY" and samples.shape[2] == 1)
            if fits and not is_srgb(profile) and (light := _light(profile, source)) is not None:
                return _by_matrix(samples, *light)
        except _BROKEN:
            pass  # to_srgb says so
    narrow = Image.fromarray(_narrow(samples))
    return to_srgb(narrow, profile, warn)


def _narrow(samples: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """8-bit samples: v / 257, rounded."""
    narrow = np.empty(samples.shape, np.uint8)
    rows = max(1, _STRIP // samples.shape[1])
    for top in range(0, len(samples), rows):
        narrow[top : top + rows] = (samples[top : top + rows].astype(np.uint32) + 128) // 257
    return narrow[..., 0] if samples.shape[2] == 1 else narrow


def _light(
    profile: bytes, source: ImageCms.ImageCmsProfile
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]] | None:
    """The three curves from samples to light, for all 65536 samples, and the matrix from light to that of sRGB.

    None for a profile of tables.
    """
    tags = profile_tags(profile)
    if b"A2B0" in tags:
        return None
    if b"kTRC" in tags and _space(source) == "GRAY":
        return [_curve(tags[b"kTRC"])] * 3, np.eye(3, dtype=np.float32)
    colorants = [getattr(source.profile, name) for name in ("red_colorant", "green_colorant", "blue_colorant")]
    if None in colorants or not {b"rTRC", b"gTRC", b"bTRC"} <= tags.keys():
        return None
    matrix = np.linalg.inv(rgb_to_xyz(SRGB_POINTS)) @ np.stack([xyz for xyz, _ in colorants], axis=1)
    return [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")], matrix.astype(np.float32)


def _curve(curve: bytes) -> NDArray[np.float32]:
    """The light of all 65536 samples, which littleCMS converts from a grey profile with this curve to a linear one."""
    source, target = (_open(grey_profile(one)) for one in (curve, gamma_curve(1)))
    ramp = Image.fromarray(np.arange(65536, dtype=np.uint16)[None])
    transform = ImageCms.buildTransform(source, target, "I;16", "I;16", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    light: NDArray[np.float32] = np.asarray(transform.apply(ramp))[0].astype(np.float32) / 65535
    return light


def _by_matrix(
    samples: NDArray[np.uint16], curves: list[NDArray[np.float32]], matrix: NDArray[np.float32]
) -> Image.Image:
    height, width, channels = samples.shape
    converted = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        part = samples[top : top + rows]
        light = np.stack([curve[part[..., i % channels]] for i, curve in enumerate(curves)], axis=-1) @ matrix.T
        np.clip(light, 0, 1, out=light)
        coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** np.float32(1 / 2.4) - 0.055)
        converted[top : top + rows] = np.rint(255 * coded)
    return Image.fromarray(converted)
