"""Readers of the data sets that people have on their disks: each gives a list of `VideoRecord`.

Nothing is copied, moved or decoded. `read` recognises a layout by its folders and says what it took
it for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dfexplain.errors import DataError
from train.importers import celeb_df, dfdc, faceforensics, folder, table
from train.records import VideoRecord

__all__ = ["LAYOUTS", "read", "recognise"]

LAYOUTS = {
    "celeb-df": celeb_df,
    "dfdc": dfdc,
    "faceforensics": faceforensics,
    "folder": folder,
    "table": table,
}
"""Name of a layout and its module: `matches(root)` says whether it is there, `read(root)` reads."""


def recognise(root: Path) -> str:
    """The name of the one layout that `root` has.

    Raises DataError where it has none, or several. A table at the root settles it: somebody wrote
    down what the videos are.
    """
    if not root.exists():
        raise DataError(f"the data set must be a folder or a table, but got '{root}'. Check it.")
    found = [name for name, module in LAYOUTS.items() if module.matches(root)]
    if "table" in found:
        return "table"
    if len(found) == 1:
        return found[0]
    took = f"several ({', '.join(found)})" if found else "none"
    raise DataError(
        f"'{root.name}' must have one of the layouts {', '.join(LAYOUTS)}, but has {took}. "
        "Pass --layout, or the folder that holds the data set itself (docs/data.md draws each)."
    )


def read(
    root: str | Path, layout: str = "auto", *, say: Callable[[str], object] | None = None
) -> list[VideoRecord]:
    """The videos of a data set, ordered by path; `layout` is "auto" or a key of LAYOUTS.

    `say` hears in one line what `root` was taken for and how much was found. Raises DataError for
    an unknown or ambiguous layout, labels that contradict each other, and a set without a video.
    """
    root = Path(root)
    name = recognise(root) if layout == "auto" else layout
    if name not in LAYOUTS:
        raise DataError(f"layout must be auto or one of {', '.join(LAYOUTS)}, but got {layout!r}.")
    if not LAYOUTS[name].matches(root):
        raise DataError(
            f"'{root.name}' must have the layout {name}, but has not. docs/data.md draws it."
        )
    records = sorted(LAYOUTS[name].read(root), key=lambda r: r.path)
    if not records:
        raise DataError(f"'{root.name}' ({name}) must hold a video, but holds none. Check it.")
    if say is not None:
        counts = [sum(r.label == label for r in records) for label in (0, 1, None)]
        say(
            f"{root.name}: {name}, {len(records)} videos ({counts[0]} real, {counts[1]} fake, "
            f"{counts[2]} unlabelled)"
        )
    return records
