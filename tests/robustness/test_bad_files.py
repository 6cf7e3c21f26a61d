"""Bad `.tok` files, through the command: one line with file and reason, no output, no traceback.

What the parts refuse is tested with the parts; here it is what a user sees. Bad models are in `test_bad_models`, bad
pictures in `test_bad_pictures`, too large numbers in `test_giants`, closed streams and outputs that are taken in
`test_bad_surroundings`, kills and signals in `test_kills`, full disks in `test_disks`, rights in `test_rights`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tokcodec
from tests.robustness.inputs import READERS, Call, Fails, MakeTok, Put, photograph, saved, sealed
from tokcodec.container.header import HEADER_SIZE
from tokcodec.models.modelfile import Model


@pytest.mark.parametrize("command", [*READERS, ["encode", "--model", "tiny"]], ids=lambda command: command[0])
def test_empty_missing_or_a_folder(fails: Fails, put: Put, tmp_path: Path, command: list[str]) -> None:
    put("in.tok", b"")
    (tmp_path / "folder").mkdir()
    fails(*command, "in.tok", name="in.tok", words="empty")
    fails(*command, "folder", name="folder", words="is a folder")
    fails(*command, "missing.tok", name="missing.tok", words="no such file")


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
def test_not_a_tok_file(fails: Fails, put: Put, command: list[str]) -> None:
    put("in.tok", saved(photograph(8, 8), "JPEG"))
    fails(*command, "in.tok", name="in.tok", words="not a .tok file (starts with FF D8: a JPEG)")
    put("in.tok", b"photo,bytes\n")
    fails(*command, "in.tok", name="in.tok", words="text")


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
def test_header_cut_at_each_byte(fails: Fails, make_tok: MakeTok, command: list[str]) -> None:
    data = make_tok()
    for length in range(1, HEADER_SIZE):
        words = f"header truncated ({length} of {HEADER_SIZE} bytes)"
        fails(*command, "-", name="stdin", words=words, stdin=data[:length])


def test_payload_cut_at_each_byte(call: Call, make_tok: MakeTok) -> None:
    data, before = make_tok(tokens=6), 0
    for length in range(HEADER_SIZE, len(data)):
        held = tokcodec.info(data[:length]).held
        assert held is not None and before <= held < 6
        result = call("decode", "-f", "-", "-o", "x.png", stdin=data[:length])
        assert result.exit_code == 0 and f"note: the file is cut: it holds {held} of 6 tokens\n" in result.stderr
        with Image.open("x.png") as decoded:
            assert decoded.size == (40, 30)
            if held:  # it shows what a file with this number of tokens shows
                assert np.array_equal(np.asarray(decoded), np.asarray(tokcodec.decode(data, tokens=held)))
            else:  # nothing is known: grey
                assert decoded.getcolors() == [(1200, (128, 128, 128))]
        before = held
    assert before >= 4


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
def test_every_flipped_bit_of_the_header(fails: Fails, make_tok: MakeTok, command: list[str]) -> None:
    data = make_tok()
    for bit in range(8 * HEADER_SIZE):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        if command == ["info"] and bit // 8 == 2:  # the header of a model that is not installed cannot be checked
            continue
        fails(*command, "-", name="stdin", stdin=bytes(damaged))


def test_every_flipped_bit_of_the_payload(call: Call, make_tok: MakeTok, tiny: Model) -> None:
    """A picture, perhaps a wrong one."""
    data = make_tok(tokens=4)
    for bit in range(8 * HEADER_SIZE, 8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        tokens = tokcodec.read_tokens(bytes(damaged))
        assert tokens.min() >= -1 and tokens.max() < math.prod(tiny.radices)
        result = call("decode", "-", stdin=bytes(damaged))
        assert result.exit_code == 0 and result.stdout_bytes.startswith(b"\x89PNG")


@pytest.mark.parametrize("junk", [b"\0", b"\xff" * 9, b"\xf5\x10 another file", bytes(10_000)])
def test_junk_behind_the_payload_is_ignored(call: Call, make_tok: MakeTok, junk: bytes) -> None:
    data = make_tok()
    assert call("decode", "-", stdin=data + junk).stdout_bytes == call("decode", "-", stdin=data).stdout_bytes
    facts = json.loads(call("info", "--json", "-", stdin=data + junk).stdout)
    assert facts["complete"] and facts["held"] == 8 and facts["bytes"] == len(data) + len(junk)


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
def test_newer_version_or_reserved_flag(fails: Fails, make_tok: MakeTok, tiny: Model, command: list[str]) -> None:
    data = make_tok()
    for second in (0x00, 0x20, 0xF0, 0x14, 0x18, 0x1C):
        newer = sealed(data[:1] + bytes([second]) + data[2:], tiny)
        fails(*command, "-", name="stdin", words="needs a newer tokcodec", stdin=newer)
