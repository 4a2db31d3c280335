"""What a file says of its own making, in words. It is the file's own word, and says so."""

from __future__ import annotations

from dfexplain.structures import Provenance, ProvenanceState

__all__ = ["sentence"]


def sentence(found: Provenance) -> str:
    """One sentence on the provenance information of a file."""
    match found.state:
        case ProvenanceState.NOT_CHECKED:
            return f"provenance information: not checked ({found.why})"
        case ProvenanceState.NONE:
            return "no provenance information found (absence is not evidence)"
        case ProvenanceState.UNREADABLE:
            return f"provenance information: could not be read ({found.why})"
    who = f" issued by {found.issuer}" if found.issuer else ""
    by = f" for the program {found.generator}" if found.generator else ""
    says = (
        f"; it says of the material: {', '.join(found.source_types)}" if found.source_types else ""
    )
    fits = "it fits the file" if found.fits else f"it does NOT fit the file ({_codes(found)})"
    return (
        f"provenance information found (C2PA){who}{by}: {fits}{says}. It is the word of its "
        "signer, who was held against no list of trusted ones."
    )


def _codes(found: Provenance) -> str:
    return ", ".join(found.problems) or "no reason given"
