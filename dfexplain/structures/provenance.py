"""What a file says of its own making."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Provenance", "ProvenanceState"]


class ProvenanceState(StrEnum):
    """What became of the search for a C2PA manifest in a file."""

    NOT_CHECKED = "not_checked"
    NONE = "none"
    UNREADABLE = "unreadable"
    FOUND = "found"


@dataclass(frozen=True)
class Provenance:
    """The C2PA manifest of a file, as far as a report needs it; all of it is the file's own word.

    `why` says why there is nothing where nothing was found. `fits`: the signature and every hash of
    the manifest fit the file, apart from the signer, who is held against no list of trusted ones;
    `problems` are the validation codes of the C2PA specification that speak against it. `issuer` is
    the organisation of the signing certificate, `generator` the program that made the manifest,
    `source_types` the last parts of the IPTC digital source types of its actions.
    """

    state: ProvenanceState
    why: str = ""
    fits: bool | None = None
    problems: tuple[str, ...] = ()
    issuer: str = ""
    generator: str = ""
    source_types: tuple[str, ...] = ()
