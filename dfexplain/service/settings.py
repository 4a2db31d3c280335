"""What the environment says of the service: who may ask, what, how much, and who is told."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dfexplain.errors import SettingError

__all__ = ["KEYS", "ServiceSettings", "origin_of"]

ROOTS, KEYS = "DFEXPLAIN_ROOTS", "DFEXPLAIN_API_KEYS"
HOSTS, SECRET = "DFEXPLAIN_WEBHOOK_HOSTS", "DFEXPLAIN_WEBHOOK_SECRET"
UPLOAD, RATE, QUEUE = "DFEXPLAIN_MAX_UPLOAD_MB", "DFEXPLAIN_RATE_PER_MIN", "DFEXPLAIN_MAX_QUEUE"
FILES = "DFEXPLAIN_FILES"

_KEY = re.compile(r"([\w.-]{1,40})=([0-9a-f]{64})")
_PORTS = {"https": 443, "http": 80}
# A shorter secret can be guessed from one signature.
_SECRET_CHARACTERS = 16


@dataclass(frozen=True)
class ServiceSettings:
    """`keys` are names with the sha256 of a key; `files` is the folder for uploads and reports.

    `roots` are the folders of which files may be named, `webhook_origins` who may be told
    (scheme, host, port). `max_upload_bytes` is the limit of one request, `rate_per_min` how many
    submissions a key may make in a minute, `max_queue` how many jobs may wait or run.
    """

    files: Path
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    roots: tuple[Path, ...] = ()
    webhook_origins: frozenset[tuple[str, str, int]] = frozenset()
    webhook_secret: str = field(default="", repr=False)
    max_upload_bytes: int = 2 << 30
    rate_per_min: int = 120
    max_queue: int = 1000

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> ServiceSettings:
        """The settings of the environment. SettingError for what cannot be one."""
        hosts = frozenset(_origin(host) for host in _parts(environment.get(HOSTS, "")))
        secret = environment.get(SECRET, "")
        if hosts and len(secret) < _SECRET_CHARACTERS:
            raise SettingError(
                f"{SECRET} must have at least {_SECRET_CHARACTERS} characters where "
                f"{HOSTS} is set, but has {len(secret)}. Set a random one."
            )
        return cls(
            files=_files(environment),
            keys=dict(_key(part) for part in _parts(environment.get(KEYS, ""))),
            roots=tuple(
                _root(part) for part in environment.get(ROOTS, "").split(os.pathsep) if part
            ),
            webhook_origins=hosts,
            webhook_secret=secret,
            max_upload_bytes=_whole(environment, UPLOAD, 2048) << 20,
            rate_per_min=_whole(environment, RATE, 120),
            max_queue=_whole(environment, QUEUE, 1000),
        )


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address; None for what is no plain http or https address."""
    if not url.isascii() or not url.isprintable() or any(c in url for c in " \\\"'<>"):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _key(part: str) -> tuple[str, str]:
    read = _KEY.fullmatch(part)
    if read is None:
        # It may be the key itself that somebody has put there: it is not shown.
        raise SettingError(
            f"{KEYS} must be NAME=SHA256 entries, separated by commas, but one is not. Make an "
            "entry by `dfexplain serve --new-key NAME`."
        )
    return read[1], read[2]


def _origin(host: str) -> tuple[str, str, int]:
    origin = origin_of(host if "://" in host else f"https://{host}")
    if origin is None:
        raise SettingError(
            f"{HOSTS} must be hosts, as hooks.example.org or http://10.0.0.5:8080, but got "
            f"{host!r:.80}. Correct it."
        )
    return origin


def _root(part: str) -> Path:
    path = Path(os.path.realpath(part))
    if not path.is_dir():
        raise SettingError(
            f"{ROOTS} must be folders, but got {part!r:.120}. Correct it, or make the folder."
        )
    return path


def _whole(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= 10**9:
        raise SettingError(
            f"{name} must be a whole number of at least 1, but got {text!r:.40}. Correct it."
        )
    return int(text)


def _files(environment: Mapping[str, str]) -> Path:
    from dfexplain.history import default_path

    named = environment.get(FILES)
    return Path(named) if named else default_path().with_name("service")
