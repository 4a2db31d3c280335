"""Whose file is whose: what a browser has sent or was shown is served to that browser alone.

Gradio names a file by the hash of its content, so whoever knows a file's address could have it. A
cookie tells browsers apart; files of visitors without one, such as programs, are for such visitors
alone. Nothing of a visitor but this random token and the paths is kept, in memory.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from gradio import utils

__all__ = ["COOKIE", "VISITORS", "Visitors", "named_in", "new_token", "shown_in", "visitor_of"]

COOKIE = "dfexplain_visitor"
NOBODY = ""
# Paths that are remembered before those whose file is gone are forgotten.
MOST = 5_000
_TOKEN = re.compile(r"[0-9a-f]{32}")
_PATH = re.compile(r'"path":\s?("(?:[^"\\]|\\.)*")')


def new_token() -> str:
    """What a browser is told apart by, 128 random bits."""
    return secrets.token_hex(16)


def visitor_of(cookies: dict[str, str]) -> str:
    """The visitor's token among its cookies, NOBODY without one."""
    token = cookies.get(COOKIE, NOBODY)
    return token if _TOKEN.fullmatch(token) else NOBODY


def _inside(path: str) -> str | None:
    """The real path of an uploaded or served file; None for what lies elsewhere."""
    if not path or "\0" in path:
        return None
    # Two slashes at the start would be kept as they are.
    real = os.path.realpath(re.sub(r"^/+", "/", path))
    folder = os.path.realpath(utils.get_upload_folder())
    return real if real.startswith(folder + os.sep) else None


def shown_in(text: str) -> Iterator[str]:
    """The paths of files in an answer of Gradio's, JSON or an event of a stream."""
    for match in _PATH.finditer(text):
        yield json.loads(match[1])


def named_in(data: Any) -> Iterator[str]:
    """The paths of files that a request names, as `path` or as an address of this very app."""
    if isinstance(data, dict):
        if isinstance(data.get("path"), str):
            yield data["path"]
        for value in data.values():
            yield from named_in(value)
    elif isinstance(data, list):
        for value in data:
            yield from named_in(value)
    elif isinstance(data, str) and "file=" in data:
        yield unquote(data.partition("file=")[2])


class Visitors:
    """Who may see which file below Gradio's folder. Safe to use from several threads."""

    def __init__(self) -> None:
        self._owners: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def own(self, visitor: str, path: str) -> None:
        """The visitor has sent this file, or was shown it."""
        real = _inside(path)
        if real is None:
            return
        with self._lock:
            self._owners.setdefault(real, set()).add(visitor)
            if len(self._owners) > MOST:
                gone = [p for p in self._owners if not os.path.exists(p)]
                for known in gone or list(self._owners)[: MOST // 10]:
                    del self._owners[known]

    def may_see(self, visitor: str, path: str) -> bool:
        """Whether the visitor may have the file; what lies outside the folder is not judged."""
        real = _inside(path)
        with self._lock:
            return real is None or visitor in self._owners.get(real, ())

    def forget(self, visitor: str) -> int:
        """Delete the visitor's files, but those that somebody else was given, too: their number."""
        with self._lock:
            own = [path for path, owners in self._owners.items() if visitor in owners]
            alone = [path for path in own if self._owners[path] == {visitor}]
            for path in own:
                self._owners[path].discard(visitor)
            for path in alone:
                del self._owners[path]
        deleted = 0
        for path in alone:
            try:
                os.remove(path)
                deleted += 1
            except FileNotFoundError:
                continue  # swept before
        return deleted


VISITORS = Visitors()
"""Of the app that runs in this process."""
