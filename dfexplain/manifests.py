"""Reads the C2PA manifest of a file inside the cage, by c2pa-python.

Runs only in the child of `cage.Cage`: the reader is native code that parses untrusted bytes. The
library is loaded before the child gives up its rights; what it needs afterwards is the one file.
Nothing is fetched: not a manifest elsewhere, and not the state of a certificate.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from typing import Any

import c2pa

from dfexplain.caged import Channel, confine, confine_threads

__all__ = ["main"]

MOST = 20
"""Problems and source types that are told at most."""

# Of the signer nothing is known: no list of trusted ones comes with the program.
UNKNOWN_SIGNER = "signingCredential.untrusted"


class _Lively(io.RawIOBase):
    """A file that gives signs of life while it is read: hashing a long one takes its time. It is
    closed with the process."""

    def __init__(self, path: str, channel: Channel) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self._channel = channel

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._channel.beat()
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _format(head: bytes) -> str | None:
    """The kind of file by its first bytes, as a name of c2pa's; None for what it does not read."""
    if head[4:8] == b"ftyp":
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    if head[:4] == b"RIFF":
        return {b"AVI ": "video/avi", b"WEBP": "image/webp"}.get(head[8:12])
    if head[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    return "image/png" if head[:8] == b"\x89PNG\r\n\x1a\n" else None


def _source_types(manifest: dict[str, Any]) -> Iterator[str]:
    for assertion in manifest.get("assertions", []):
        if assertion.get("label", "").startswith("c2pa.actions"):
            for action in assertion["data"].get("actions", []):
                if "digitalSourceType" in action:
                    yield str(action["digitalSourceType"]).rstrip("/").rsplit("/", 1)[-1]


def _facts(store: dict[str, Any]) -> dict[str, object]:
    manifest = store["manifests"][store["active_manifest"]]
    codes = {str(status["code"]) for status in store.get("validation_status") or []}
    generators = manifest.get("claim_generator_info") or [{}]
    return {
        "fits": store.get("validation_state") in ("Valid", "Trusted"),
        "problems": sorted(codes - {UNKNOWN_SIGNER})[:MOST],
        "issuer": str((manifest.get("signature_info") or {}).get("issuer") or ""),
        "generator": str(generators[0].get("name") or manifest.get("claim_generator") or ""),
        "source_types": sorted(set(_source_types(manifest)))[:MOST],
    }


def _look(channel: Channel, path: str, context: c2pa.Context) -> tuple[str, dict[str, object]]:
    """What became of it, and the facts."""
    file = _Lively(path, channel)
    kind = _format(file.read(12))
    file.seek(0)
    if kind is None:
        return "not_checked", {"why": "c2pa-python does not read this kind of file"}
    try:
        reader = c2pa.Reader(kind, file, context=context)
        return "found", _facts(json.loads(reader.json()))
    except c2pa.C2paError.ManifestNotFound:
        return "none", {}
    except c2pa.C2paError.RemoteManifest:
        return "unreadable", {"why": "the file names a manifest elsewhere, which was not fetched"}
    except (c2pa.C2paError, AttributeError, LookupError, TypeError, ValueError):
        return "unreadable", {"why": "what stands in its place is no manifest that can be read"}


def main() -> None:
    """What the child does: one request in, one answer out."""
    channel = Channel()
    request: dict[str, Any] = channel.request()
    here = {"remote_manifest_fetch": False, "ocsp_fetch": False}
    context = c2pa.Context(c2pa.Settings.from_dict({"verify": here}))
    confine(request["memory_bytes"], request["cpu_s"], request["path"])
    confine_threads()
    state, facts = _look(channel, request["path"], context)
    channel.send_json(b"P", {"state": state, **facts})
    os._exit(0)  # nothing of an untrusted file's state is worth tearing down
