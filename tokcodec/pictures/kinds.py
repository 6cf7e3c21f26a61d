"""Names the kind of a file from its first bytes. Does not import Pillow."""

from __future__ import annotations

HEAD_BYTES = 512
"""Bytes that `describe` looks at."""

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}
_LFS = "is a pointer of Git LFS instead of the picture: `git lfs pull` fetches it"
CAMERA_RAW = "is a camera's raw file, whose picture is not read: develop it to TIFF or JPEG first"

# (offset, bytes, what the file is and what to do)
_SIGNATURES = (
    (0, b"\xf5", "is not a picture but a .tok file: decode reads it"),
    (0, b"version https://git-lfs.github.com/spec", _LFS),
    (0, b"%PDF", "is a PDF document: export its pages as PNG first"),
    (0, b"%!PS", "is PostScript: export it as PNG first"),
    (0, b"\xc5\xd0\xd3\xc6", "is PostScript (EPS): export it as PNG first"),
    (0, b"FUJIFILMCCD-RAW", CAMERA_RAW),
    (0, b"FOVb", CAMERA_RAW),
    (0, b"\0MRM", CAMERA_RAW),
    (0, b"IIRO", CAMERA_RAW),
    (0, b"IIRS", CAMERA_RAW),
    (0, b"MMOR", CAMERA_RAW),
    (0, b"IIU\0", CAMERA_RAW),
    (6, b"HEAPCCDR", CAMERA_RAW),
    (4, b"ftypcrx", CAMERA_RAW),
    (4, b"ftyp", "is a video (MP4 or QuickTime): extract a frame first"),
    (4, b"moov", "is a video (QuickTime): extract a frame first"),
    (4, b"mdat", "is a video (QuickTime): extract a frame first"),
    (0, b"\x1aE\xdf\xa3", "is a video (Matroska or WebM): extract a frame first"),
    (0, b"\0\0\x01\xba", "is a video (MPEG): extract a frame first"),
    (0, b"\0\0\x01\xb3", "is a video (MPEG): extract a frame first"),
    (0, b"FLV\x01", "is a video (Flash): extract a frame first"),
    (0, b"OggS", "is a video or sound (Ogg)"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "is a video or sound (Windows Media)"),
    (0, b"ID3", "is sound (MP3)"),
    (0, b"fLaC", "is sound (FLAC)"),
    (0, b"PK\x03\x04", "is a ZIP archive: unpack it first"),
    (0, b"\x1f\x8b", "is gzip data: unpack it first"),
    (0, b"BZh", "is bzip2 data: unpack it first"),
    (0, b"\xfd7zXZ\0", "is xz data: unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "is zstd data: unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it first"),
    (0, b"Rar!\x1a\x07", "is a RAR archive: unpack it first"),
    (257, b"ustar", "is a tar archive: `tokcodec dataset encode` reads it"),
    (0, b"P7\n", "is a PAM picture, which is not read: convert it to PNG first"),
    (0, b"\x76\x2f\x31\x01", "is an OpenEXR picture, which is not read: convert it to PNG or TIFF first"),
    (0, b"#?RADIANCE", "is a Radiance HDR picture, which is not read: convert it to PNG or TIFF first"),
    (0, b"#?RGBE", "is a Radiance HDR picture, which is not read: convert it to PNG or TIFF first"),
    (0, b"8BPS\0\2", "is a PSB picture of Photoshop, which is not read: convert it to PNG first"),
    (0, b"gimp xcf ", "is a picture of GIMP (XCF), which is not read: export it as PNG first"),
    (0, b"/* XPM */", "is an XPM picture, which is not read: convert it to PNG first"),
    (0, b"II\xbc", "is a JPEG XR picture, which is not read: convert it to PNG first"),
    (0, b"\xff\xd8\xff\xf7", "is a JPEG-LS picture, which is not read: convert it to PNG first"),
    (0, b"\x8aMNG\r\n\x1a\n", "is an MNG animation, which is not read: convert it to PNG first"),
    (0, b"\x8bJNG\r\n\x1a\n", "is a JNG picture, which is not read: convert it to PNG first"),
    (0, b"BPG\xfb", "is a BPG picture, which is not read: convert it to PNG first"),
    (0, b"FLIF", "is a FLIF picture, which is not read: convert it to PNG first"),
    (0, b"AT&TFORM", "is a DjVu document: export its pages as PNG first"),
    (128, b"DICM", "is a DICOM picture, which is not read: convert it to PNG or TIFF first"),
    (0, b"\xabKTX ", "is a texture (KTX), which is not read: convert it to PNG first"),
    (0, b"PF\n", "is a PFM picture in colour, which is not read: convert it to PNG or TIFF first"),
    (0, b"PAR1", "is a Parquet file: `tokcodec dataset encode` reads it"),
    (0, b"\x93NUMPY", "is an array of NumPy: the library encodes arrays"),
    (0, b"\x89HDF", "is an HDF5 file"),
    (0, b"SQLite format 3\0", "is an SQLite database"),
    (0, b"\x7fELF", "is a program"),
    (0, b"MZ", "is a program"),
)
_RIFF = {b"AVI ": "is a video (AVI): extract a frame first", b"WAVE": "is sound (WAVE)"}
_MARKUP = (
    (b"<svg", "is an SVG drawing: render it to PNG first"),
    (b"<!doctype html", "is an HTML page, perhaps the answer of a server instead of the picture"),
    (b"<html", "is an HTML page, perhaps the answer of a server instead of the picture"),
    (b"<?xml", "is an XML file"),
)

_BASE64 = b"/9j/", b"iVBORw0KGgo", b"R0lGOD", b"UklGR"
"""How JPEG, PNG, GIF and WebP begin in base64."""


def is_heif(head: bytes) -> bool:
    """Whether a file is HEIF with the usual coding of HEIC. AVIF files, which are HEIF too, are not."""
    brands = _brands(head)
    if _AVIF_BRANDS & brands:
        return False
    return bool(_HEIF_BRANDS & brands) or head[8:12] in (b"mif1", b"msf1")


def is_jpeg_xl(head: bytes) -> bool:
    """Whether a file is JPEG XL, with or without the container."""
    return head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"))


def _brands(head: bytes) -> set[bytes]:
    """The brands of an ISO media file."""
    if head[4:8] != b"ftyp":
        return set()
    box = head[: int.from_bytes(head[:4], "big")]
    return {box[8:12], *(box[at : at + 4] for at in range(16, len(box) - 3, 4))}


def describe(head: bytes) -> str | None:
    """Name the kind of a file that is not read as a picture, and what to do with it.

    Args:
        head: the first HEAD_BYTES of the file, or all of it.

    Returns:
        A line for the user. None: the kind is unknown.
    """
    for offset, signature, text in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return text
    if _is_tga(head):
        return "is a TGA picture, it seems, which is not read: convert it to PNG first"
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    markup = _as_text(head)
    if markup.startswith(b"<?xml") and b"<svg" in markup:
        return _MARKUP[0][1]
    known = next((line for start, line in _MARKUP if markup.startswith(start)), None)
    return known or _text_kind(head)


def _is_tga(head: bytes) -> bool:
    """Whether a file has a header of TGA without a palette, whose first bytes are also those of Windows' cursors."""
    return head[:2] == b"\0\0" and head[2:3] in (b"\2", b"\3", b"\x0a", b"\x0b") and head[3:8] == bytes(5) and (
        head[16:17] in (b"\x08", b"\x0f", b"\x10", b"\x18", b"\x20")
    )


def _text_kind(head: bytes) -> str | None:
    """What a file is that begins as the text of a picture or of the answer of a server."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"data:image/", *_BASE64)):
        return "is base64 text: decode it to a file first, by `base64 -d` for example"
    if text[:1] in (b"{", b"[") and text[1:].lstrip()[:1] in (b'"', b"{", b"[", b"}", b"]"):
        return "is JSON text, perhaps the answer of a server instead of the picture"
    return None


def _as_text(head: bytes) -> bytes:
    """The text without its byte order mark, leading space and comments, in lower case. UTF-16 becomes UTF-8."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", errors="ignore").encode()
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    while text.startswith(b"<!--") and b"-->" in text:
        text = text.partition(b"-->")[2].lstrip()
    return text
