"""Versions below which the app does not start: those with holes that a stranger's input reaches.

Looked up by name, without importing what is asked about.
"""

from __future__ import annotations

import re
from importlib import metadata

from dfexplain.errors import VersionRefused

__all__ = ["FLOORS", "check"]

# CVE-2026-24747 of torch and CVE-2026-59806 of gradio are closed from here on.
FLOORS = {"torch": (2, 10), "gradio": (6, 20)}


def check() -> None:
    """Raise VersionRefused for an installed package that is too old, or not to be made out."""
    for package, floor in FLOORS.items():
        try:
            installed = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed = "none"
        found = re.match(r"(\d+)\.(\d+)", installed)
        if found is None or (int(found[1]), int(found[2])) < floor:
            least = ".".join(map(str, floor))
            raise VersionRefused(
                f"{package} must be {least} or later, for older ones have known holes, but got "
                f"{installed:.40}. Install requirements.txt anew."
            )
