"""A canonical zip: the bytes of the archive follow from the names and the contents of its files.

Files are stored in the order of their names, dated 1980-01-01, with fixed permissions and nothing
else (PKWARE APPNOTE 6.3.3, sections 4.3.7, 4.3.12 and 4.3.16), so that there is one archive for
given files and every byte of it can be checked. `read` takes such archives only: it writes each
header again and compares, and follows no number of the archive to another place in it.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["Archive", "Member", "packed", "read"]

MOST_FILES = 60_000
MOST_BYTES = 1 << 31
# JSON is kept in memory while an archive is read; nothing else is.
MOST_JSON_BYTES = 1 << 26
# ASCII, so that every system and every zip program takes the names for the same.
NAME = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}){0,3}")

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _UNIX, _MODE = 20, 3, 0o100644
_DATE = 1 << 5 | 1  # 1980-01-01, as MS-DOS counts
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Member:
    """One file of an archive. `fits` says whether its content has the checksum that its header
    gives; `content` is kept of JSON only."""

    name: str
    size_bytes: int
    sha256: str
    fits: bool
    content: bytes | None


@dataclass(frozen=True)
class Archive:
    """What was read: the files in their order, and what is wrong with the archive's structure
    (None where nothing is; the files before that place are there all the same)."""

    members: tuple[Member, ...]
    broken: str | None


def _head(name: bytes, crc: int, size: int) -> bytes:
    return (
        _LOCAL.pack(
            b"PK\3\4", _VERSION, 0, 0, 0, _DATE, crc, size, size, len(name), 0
        )
        + name
    )  # fmt: skip


def _tail(entries: list[tuple[bytes, int, int]]) -> bytes:
    """The directory at the end of an archive of (name, checksum, size) in order."""
    out, offset = bytearray(), 0
    for name, crc, size in entries:
        out += _CENTRAL.pack(
            b"PK\1\2", _UNIX << 8 | _VERSION, _VERSION, 0, 0, 0, _DATE, crc, size, size,
            len(name), 0, 0, 0, 0, _MODE << 16, offset,
        ) + name  # fmt: skip
        offset += _LOCAL.size + len(name) + size
    count = len(entries)
    return bytes(out) + _END.pack(b"PK\5\6", 0, 0, count, count, len(out), offset, 0)


def packed(files: Mapping[str, bytes]) -> bytes:
    """The archive of `files`, name to content.

    Raises ValueError for a name that is not plain ASCII, and for more than `read` would take.
    """
    out, entries = bytearray(), []
    for name in sorted(files):
        raw, content = name.encode("ascii", "replace"), files[name]
        if not NAME.fullmatch(raw):
            raise ValueError(f"name must be plain ASCII without odd characters, but got {name!r}.")
        entry = raw, zlib.crc32(content), len(content)
        out += _head(*entry) + content
        entries.append(entry)
    out += _tail(entries)
    if len(entries) > MOST_FILES or len(out) > MOST_BYTES:
        raise ValueError(f"files must fit one archive, but {len(entries)} have {len(out)} bytes.")
    return bytes(out)


class _BrokenError(ValueError):
    """The structure is not the one that `packed` writes; the message says where."""


def read(path: str | Path) -> Archive:
    """Read an archive of `packed` from anybody. Raises OSError where the file cannot be read."""
    members: list[Member] = []
    with Path(path).open("rb") as file:
        try:
            _fill(members, file)
        except _BrokenError as broken:
            return Archive(tuple(members), str(broken))
    return Archive(tuple(members), None)


def _fill(members: list[Member], file: BinaryIO) -> None:
    """Append the files to `members` as they are read."""
    size_bytes = file.seek(0, 2)
    file.seek(0)
    if size_bytes > MOST_BYTES:
        raise _BrokenError(f"more than {MOST_BYTES} bytes")
    declared: list[tuple[bytes, int, int]] = []
    last = b""
    while True:
        start = file.tell()
        head = file.read(_LOCAL.size)
        if not head.startswith(b"PK\3\4"):
            break
        if len(head) < _LOCAL.size or len(declared) == MOST_FILES:
            raise _BrokenError(f"it is cut off or too long at byte {start}")
        crc, size, length = (_LOCAL.unpack(head)[place] for place in (6, 8, 9))
        name = file.read(min(length, 500))
        if not NAME.fullmatch(name) or name <= last or head + name != _head(name, crc, size):
            raise _BrokenError(f"no file header as dfexplain writes it at byte {start}")
        if size > size_bytes - file.tell():
            raise _BrokenError(f"it ends before the file whose header stands at byte {start}")
        declared.append((name, crc, size))
        last = name
        members.append(_member(file, name.decode("ascii"), crc, size))
    file.seek(start)
    tail = _tail(declared)
    # One byte more than is right, so that what is appended is seen and never read.
    if file.read(len(tail) + 1) != tail:
        raise _BrokenError(f"the directory at byte {start} is not that of the files before it")


def _member(file: BinaryIO, name: str, crc: int, size: int) -> Member:
    keep = name.endswith(".json") and size <= MOST_JSON_BYTES
    sha256, found, kept, left = hashlib.sha256(), 0, bytearray(), size
    while left:
        chunk = file.read(min(left, _CHUNK))
        if not chunk:
            raise _BrokenError(f"it ends within {name}")
        sha256.update(chunk)
        found = zlib.crc32(chunk, found)
        left -= len(chunk)
        if keep:
            kept += chunk
    return Member(name, size, sha256.hexdigest(), found == crc, bytes(kept) if keep else None)
