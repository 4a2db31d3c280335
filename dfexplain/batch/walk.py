"""Which files a batch is about: those of a folder, or those that a list names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from dfexplain.cage import admit
from dfexplain.errors import FileRefused, SettingError
from dfexplain.structures.video import SUFFIXES

__all__ = ["digest", "files_of"]

_LIST_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20


def files_of(source: Path) -> list[str]:
    """The files of a folder, sorted by path, or of a list, one path a line, in its order.

    Of a folder and the folders in it the regular files count whose names end in one of
    `structures.video.SUFFIXES`; links are
    not followed. A list is text in UTF-8; its paths count from the current folder.
    Raises SettingError for what is neither, and where there is nothing in it.
    """
    found = list(_walked(source)) if source.is_dir() else _listed(source)
    if not found:
        raise SettingError(
            f"DIR|LIST must name at least one video, but got {str(source)!r:.200}, which names "
            "none. Choose another folder, or write a list of paths."
        )
    return found


def _walked(folder: Path) -> Iterator[str]:
    def refused(error: OSError) -> None:
        raise SettingError(
            f"DIR must be readable, but {error.filename!r:.200} says: {error.strerror}. Change its "
            "permissions."
        ) from error

    files: list[str] = []
    for root, folders, names in os.walk(folder, onerror=refused, followlinks=False):
        folders[:] = [name for name in folders if not os.path.islink(os.path.join(root, name))]
        files += [os.path.join(root, name) for name in names if _is_video(root, name)]
    yield from sorted(files, key=lambda path: path.split(os.sep))


def _is_video(root: str, name: str) -> bool:
    if os.path.splitext(name)[1].lower() not in SUFFIXES:
        return False
    path = Path(root, name)
    return path.is_file() and not path.is_symlink()


def _listed(source: Path) -> list[str]:
    try:
        with source.open("rb") as file:
            content = file.read(_LIST_BYTES + 1)
    except OSError as error:
        raise SettingError(
            f"DIR|LIST must be a folder or a list of paths, but {str(source)!r:.200} says: "
            f"{error.strerror}. Check the path."
        ) from error
    if b"\0" in content or len(content) > _LIST_BYTES:
        raise SettingError(
            f"DIR|LIST must be a folder or a text file with one path a line, but got "
            f"{str(source)!r:.200}. For a single video use `dfexplain analyze`."
        )
    lines = content.decode("utf-8-sig", "surrogateescape").splitlines()
    # The same name twice is the same file.
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def digest(path: str, pause: Callable[[], None] = lambda: None) -> str:
    """The sha256 of a regular file in hex. FileRefused for anything else.

    `pause` is called after each MiB: a large file takes longer than a worker waits for a sign.
    """
    plain = admit(path)
    sha256 = hashlib.sha256()
    try:
        with plain.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                sha256.update(chunk)
                pause()
    except OSError as error:
        raise FileRefused(
            f"{os.path.basename(path)!r:.120} must be readable, but got: {error.strerror}. Check "
            "the file."
        ) from error
    return sha256.hexdigest()
