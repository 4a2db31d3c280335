"""The project's own Python files as syntax trees, and what they import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"benchmarks", "dfexplain", "scripts", "tests", "train"}


def files(*rooms: str) -> list[Path]:
    """The Python files of folders at the root, or of the root itself for `app.py`."""
    found = []
    for room in rooms:
        path = ROOT / room
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return found


def shown(path: Path) -> str:
    """A file's name in a message."""
    return path.relative_to(ROOT).as_posix()


def _dotted(path: Path) -> str:
    """dfexplain/report/page.py is dfexplain.report.page; an __init__.py is its package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {path: ast.parse(path.read_text("utf-8")) for path in files("app.py", *sorted(OURS))}
MODULES = {_dotted(path): path for path in TREES}


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that a tree imports, wherever in it.

    `from a import b` imports a.b if that is a module of ours, else a.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def third_party(*paths: Path) -> set[str]:
    """The packages that files import and that are neither ours nor Python's, by import name."""
    top = {name.split(".")[0] for path in paths for name in imported(TREES[path])}
    return top - OURS - set(sys.stdlib_module_names)


def texts() -> list[Path]:
    """The text files that git tracks or would; skips the test where this is not a clone."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a clone: git cannot say which files are the project's")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in names.split("\0") if name]
    return [p for p in paths if p.is_file() and b"\0" not in p.read_bytes()[:8192]]
