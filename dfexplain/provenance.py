"""What a file says of its own making: its C2PA manifest, read in a caged child.

C2PA (Coalition for Content Provenance and Authenticity, specification 2.1) lets cameras and
programs sign what they did to a file. It is read by c2pa-python where the extra `provenance` is
installed. A manifest is the word of its signer, and most files, real or forged, have none: absence
is not evidence.
"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from dfexplain.cage import Cage, Limits, admit, printable, shown_name
from dfexplain.errors import InputError
from dfexplain.structures import Provenance, ProvenanceState

__all__ = ["read"]

_CHILD = "dfexplain.manifests"
_MOST_LETTERS = 80
_NONSENSE = Provenance(ProvenanceState.UNREADABLE, "its reader broke down on it")


def read(path: str | Path, limits: Limits | None = None) -> Provenance:
    """Look for a C2PA manifest in a file. Raises FileRefused for a path that is no plain file."""
    plain = admit(path)
    if importlib.util.find_spec("c2pa") is None:
        return Provenance(ProvenanceState.NOT_CHECKED, "c2pa-python is not installed")
    limits = limits or Limits()
    request = {
        "path": str(plain),
        "memory_bytes": limits.memory_bytes,
        "cpu_s": limits.cpu_s,
    }
    with Cage(_CHILD, request, limits, shown_name(os.fspath(path))) as cage:
        try:
            kind, content = b"B", bytearray()
            while kind == b"B":
                kind, content = cage.read()
            return _taken(json.loads(content))
        except (InputError, KeyError, TypeError, ValueError):
            return _NONSENSE


def _taken(said: dict[str, Any]) -> Provenance:
    """The child's answer, as little to be trusted as the file."""
    fits = said.get("fits")
    if fits is not None and not isinstance(fits, bool):
        raise TypeError("fits is no bool")
    return Provenance(
        ProvenanceState(said["state"]),
        _text(said.get("why", "")),
        fits,
        tuple(_text(code) for code in said.get("problems", [])),
        _text(said.get("issuer", "")),
        _text(said.get("generator", "")),
        tuple(_text(kind) for kind in said.get("source_types", [])),
    )


def _text(value: object) -> str:
    return printable(str(value)[:_MOST_LETTERS])
