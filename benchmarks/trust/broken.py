"""Broken, renamed, oddly named and oddly placed files for the corpus of bad input."""

from __future__ import annotations

import os
import random
import socket
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.trust.case import Case
from benchmarks.trust.films import BASES, EXAMPLE, film

__all__ = ["broken", "damaged", "named", "placed", "renamed"]

JUNK = random.Random(0).randbytes(4096)
HTML = b"<!doctype html><script>alert(1)</script>" * 40

# What is no video, by the name under which it comes.
TEXTS: dict[str, bytes] = {
    "empty.mp4": b"",
    "one_byte.mp4": b"\0",
    "zeros.mp4": bytes(100_000),
    "junk.mp4": JUNK,
    "junk.avi": b"RIFF" + JUNK,
    "junk.mkv": b"\x1a\x45\xdf\xa3" + JUNK,
    "junk.ts": (b"G" + JUNK[:187]) * 20,
    "junk.flv": b"FLV\x01\x05\0\0\0\x09" + JUNK,
    "junk.wmv": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + JUNK,
    "junk.gif": b"GIF89a" + JUNK,
    "junk.jpg": b"\xff\xd8\xff\xe0" + JUNK,
    "junk.png": b"\x89PNG\r\n\x1a\n" + JUNK,
    "junk.webp": b"RIFF\0\x10\0\0WEBP" + JUNK,
    "junk.ogv": b"OggS" + JUNK,
    "text.mp4": b"This is no video.\n" * 50,
    "text.mov": "Это не видео.\n".encode() * 50,
    "page.mp4": HTML,
    "vector.mp4": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "program.mp4": b"\x7fELF\x02\x01\x01" + JUNK,
    "script.mp4": b"#!/bin/sh\ntouch burst\n",
    "document.mp4": b"%PDF-1.7\n" + JUNK,
    "archive.mp4": b"PK\x03\x04" + JUNK,
    "packed.mp4": b"\x1f\x8b\x08\0" + zlib.compress(bytes(1 << 20)),
    "pickle.mp4": b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93\x8c\x05burst\x85R.",
    "table.mp4": b"time,score\n0,1\n",
    "subtitles.mp4": b"1\n00:00:00,000 --> 00:00:01,000\nHello\n",
    "only_ftyp.mp4": b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
    "ftyp_and_mdat.mp4": b"\0\0\0\x18ftypisom\0\0\0\0isommp42\0\0\x10\x08mdat" + JUNK,
    "box_of_size_0.mp4": b"\0\0\0\0ftypisom",
    "box_of_all_sizes.mp4": b"\0\0\0\x01ftyp" + b"\xff" * 8 + JUNK,
    "boxes_in_boxes.mp4": b"\0\0\0\x18ftypisom\0\0\0\0isommp42"
    + b"".join((8 * (3000 - n)).to_bytes(4, "big") + b"moov" for n in range(3000)),
    "only_header.mkv": bytes.fromhex("1a45dfa3934282886d6174726f736b614287810442858102"),
}

# (name, what must become of it); the content is a film with a face.
NAMES = (
    "name with spaces.mp4",
    " leading space.mp4",
    "'single' \"double\".mp4",
    "-dash.mp4",
    "--frames.mp4",
    "new\nline.mp4",
    "tab\tand\rreturn.mp4",
    "\x1b[31mred.mp4",
    "видео.mp4",
    "ビデオ.mp4",
    "🎬.mp4",
    "right\u202eto left.mp4",
    "e\u0301 combining.mp4",
    "$(touch burst).mp4",
    "`touch burst`.mp4",
    "a;touch burst.mp4",
    "%s%n%d.mp4",
    "{0}{name}.mp4",
    "[1].mp4",
    "star*.mp4",
    "what?.mp4",
    "back\\slash.mp4",
    "file:colon.mp4",
    "concat:a.mp4",
    "<b>bold&amp;.mp4",
    "..hidden.mp4",
    ".mp4",
    "UPPER.MP4",
    "x" * 240 + ".mp4",
    "no_end_and_spaces ",
)


def _bytes(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def renamed() -> Iterator[Case]:
    """What was never a video."""
    for name, data in TEXTS.items():
        yield Case(name, "refused" if name != "junk.ts" else "either", _bytes(data))


def _cut(content: bytes, share: float) -> bytes:
    return content[: max(1, int(len(content) * share))]


def _flipped(content: bytes, seed: int, bits: int) -> bytes:
    chance, out = random.Random(seed), bytearray(content)
    for _ in range(bits):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def _holed(content: bytes, start: float, share: float) -> bytes:
    first = int(len(content) * start)
    last = min(len(content), first + max(1, int(len(content) * share)))
    return content[:first] + bytes(last - first) + content[last:]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut_2": lambda content: _cut(content, 0.02),
    "cut_30": lambda content: _cut(content, 0.3),
    "cut_60": lambda content: _cut(content, 0.6),
    "cut_95": lambda content: _cut(content, 0.95),
    "flip_3": lambda content: _flipped(content, 1, 3),
    "flip_50": lambda content: _flipped(content, 2, 50),
    "head_gone": lambda content: content[64:],
    "hole": lambda content: _holed(content, 0.4, 0.2),
    "twice": lambda content: content + content,
    "junk_behind": lambda content: content + JUNK,
    "junk_before": lambda content: JUNK + content,
}


def damaged() -> Iterator[Case]:
    """A film of each container, damaged in each way."""
    for end, how in BASES.items():
        for what, harm in DAMAGE.items():
            # The defaults bind the values of this turn of the loop.
            def make(path: Path, how=how, harm=harm) -> None:  # type: ignore[no-untyped-def]
                path.write_bytes(harm(film(path, **how).read_bytes()))

            yield Case(f"{what}.{end}", "either", make)


def named() -> Iterator[Case]:
    """Films under names that break shells, terminals, formats and messages."""
    for name in NAMES:
        yield Case(name, "scored", lambda path: film(path, muxer="mp4"))
    for name in (
        "bad\nname\x1b[31m.mp4",
        "bad ' \" name.mp4",
        "-bad.mp4",
        "bad " + "y" * 230 + ".mp4",
    ):
        yield Case(name, "refused", _bytes(b"no video"))


def _behind(name: str, make: Callable[[Path, Path], object]) -> Callable[[Path], object]:
    """Something at a path that needs a film beside it, in a folder of its own."""

    def made(path: Path) -> None:
        beside = path.parent / f"beside_{name}"
        beside.mkdir(exist_ok=True)
        make(path, film(beside / "film.mp4"))

    return made


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _socket(path: Path) -> None:
    # A socket's path must be short, so it is bound from inside of its folder.
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def placed() -> Iterator[Case]:
    """Links, folders, pipes and other things that stand where a file should."""
    yield Case("folder.mp4", "refused", lambda path: path.mkdir())
    yield Case("missing.mp4", "refused", lambda path: None)
    if sys.platform == "win32":
        return
    yield Case("link.mp4", "scored", _behind("a", lambda path, to: path.symlink_to(to)))
    yield Case(
        "link_to_link.mp4",
        "scored",
        _behind("b", lambda path, to: (to.with_name("l").symlink_to(to),
                                       path.symlink_to(to.with_name("l")))),
    )  # fmt: skip
    yield Case("hard_link.mp4", "scored", _behind("c", lambda path, to: path.hardlink_to(to)))
    yield Case("dangling.mp4", "refused", lambda path: path.symlink_to("nothing"))
    yield Case("loop.mp4", "refused", _loop)
    yield Case("link_to_folder.mp4", "refused", lambda path: path.symlink_to(path.parent))
    yield Case("link_to_device.mp4", "refused", lambda path: path.symlink_to("/dev/zero"))
    yield Case("fifo.mp4", "refused", lambda path: os.mkfifo(path))
    yield Case("socket.mp4", "refused", _socket)


def broken() -> Iterator[Case]:
    """All of these, and the examples that ship."""
    yield from renamed()
    yield from placed()
    yield from named()
    yield from damaged()
    for path in sorted(EXAMPLE.parent.glob("*.mp4")):
        expected = "read" if path.stem == "no_face" else "scored"
        data = path.read_bytes()
        yield Case(f"shipped_{path.name}", expected, _bytes(data), heavy=True)
