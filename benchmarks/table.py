"""The rows of the benchmarks and their table: in the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

__all__ = ["SLACK", "Row", "machine", "markdown", "write"]

SLACK = 0.85
"""Below this share of its bar, or of what was measured last where the bar is missed, a row fails
the slow test suite."""


class Row(NamedTuple):
    """One measured thing: `cpu` and `wall` by CPU seconds and by the clock, None where that says
    nothing. The bar is held by CPU seconds where they are there; `at_most` for bars from above.

    `last` is what was measured when the bar was missed, for `failed`; `detail` the seconds.
    """

    work: str
    against: str
    bar: float | None
    cpu: float | None
    wall: float | None = None
    detail: str = ""
    at_most: bool = False
    last: float | None = None

    @property
    def value(self) -> float | None:
        """What the bar is held against."""
        return self.wall if self.cpu is None else self.cpu

    @property
    def held(self) -> bool | None:
        """Whether the bar is held; None without a bar or a measurement."""
        if self.bar is None or self.value is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar

    @property
    def failed(self) -> bool:
        """Whether it is worse than its bar, or than it was, by more than SLACK allows."""
        if self.bar is None or self.value is None:
            return False
        wanted = self.bar if self.last is None else self.last
        return self.value > wanted / SLACK if self.at_most else self.value < wanted * SLACK

    def cells(self) -> list[str]:
        """The row in words."""
        sign = "at most" if self.at_most else "at least"
        bar = "" if self.bar is None else f"{sign} {self.bar:g}"
        said = {True: "held", False: "missed", None: ""}[self.held]
        numbers = ["" if v is None else f"{v:.3g}" for v in (self.cpu, self.wall)]
        return [self.work, self.against, bar, *numbers, said, self.detail]


HEAD = ["work", "against", "wanted", "CPU", "clock", "", "measured"]


def machine() -> dict[str, str]:
    """What the numbers were measured on, and when."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    names = ("torch", "facenet-pytorch", "av", "opencv-python-headless", "numpy", "timm", "gradio")
    cores = os.cpu_count() or 0
    busy = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": f"{model}, {cores} cores",
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {metadata.version(name)}" for name in names),
        "load": f"{busy} processes ran or waited in the minute before the end",
        "GPU": "not measured",
    }


def markdown(rows: list[Row], here: dict[str, str]) -> str:
    """The table for docs/performance.md."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    lines += ["", *(f"- {name}: {text}" for name, text in here.items())]
    return "\n".join(lines) + "\n"


def write(rows: list[Row], folder: Path) -> None:
    """`table.md` and `table.json` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    here = machine()
    (folder / "table.md").write_text(markdown(rows, here), "utf-8")
    content = [row._asdict() | {"held": row.held, "failed": row.failed} for row in rows]
    text = json.dumps({"machine": here, "rows": content}, indent=1)
    (folder / "table.json").write_text(text + "\n", "utf-8")
