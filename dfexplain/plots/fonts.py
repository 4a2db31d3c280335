"""The font of all figures, for whoever sets text beside them."""

from __future__ import annotations

from pathlib import Path

import matplotlib

__all__ = ["font_file"]


def font_file(style: str = "") -> Path:
    """The TrueType file of DejaVu Sans that matplotlib brings along, in a style such as "-Bold".

    The same bytes wherever the pinned matplotlib is installed, unlike a font of the system.
    """
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{style}.ttf"
