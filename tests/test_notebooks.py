"""The notebooks run from top to bottom, without a network and without writing into the project."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.sources import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
LONGEST_S = 240


def sources(path: Path, kind: str) -> list[str]:
    """The text of a notebook's cells of a kind: code or markdown."""
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == kind]


# Runs in the kernel before the first cell.
GUARD = """
import os, sys

def guard(event, arguments):
    if event == "open" and isinstance(arguments[0], str | os.PathLike):
        path, mode, flags = arguments
        writes = set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR)
        if writes and os.path.realpath(path).startswith({root!r}):
            raise PermissionError(f"a notebook writes to a temporary folder only, not to {{path}}")
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        raise PermissionError(f"a notebook needs no network, but connects to {{arguments[1]}}")

sys.addaudithook(guard)
"""


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel that knows no data folder and no cache, and can neither connect nor write here."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv("DFEXPLAIN_DATA", raising=False)
    monkeypatch.delenv("DFEXPLAIN_WEIGHTS", raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    startup = tmp_path / "ipythondir/profile_default/startup"
    startup.mkdir(parents=True)
    (startup / "00_guard.py").write_text(GUARD.format(root=f"{ROOT}{os.sep}"), encoding="utf-8")
    return tmp_path


def run(path: Path) -> nbformat.NotebookNode:
    """Run a notebook as a person would who opened it; raises CellExecutionError with the cell."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=LONGEST_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    # The packages of Jupyter warn of their own sockets and loops; a notebook's are in its output.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client.execute()
    return notebook


def said(notebook: nbformat.NotebookNode) -> tuple[str, int]:
    """What a notebook that ran has printed (no warnings), and how many pictures it shows."""
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    text = "".join(out.text for out in outputs if out.get("name") == "stdout")
    text += "".join(out.get("data", {}).get("text/plain", "") for out in outputs)
    return text, sum("image/png" in out.get("data", {}) for out in outputs)


def test_there_is_a_notebook_for_each_step() -> None:
    assert NAMES == ["01_dataset", "02_labels", "03_model", "04_temporal"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_is_committed_without_what_it_printed(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert [cell for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_explains_itself_and_uses_public_names(path: Path) -> None:
    words = sources(path, "markdown")
    assert words[0].startswith("# ")
    assert len(words) >= 4
    code = "\n".join(sources(path, "code"))
    assert not re.search(r"(?<![\w.])_[a-z]\w*|\._[a-z]|pyplot|^[!%]", code, re.MULTILINE)
    for target in re.findall(r"\]\(([^)#\s]+)", "\n".join(words)):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize(
    ("name", "pattern", "pictures"),
    [
        ("01_dataset", r"leaks in the split: 0\nDFX001: person", 1),
        ("02_labels", r"train: 4,860 = 394 real.*\nval: 1,215 = 99 real.*right 91.85%", 2),
        ("03_model", r"(?s)11,603,650 .*epoch 4: loss .*\n\d+ videos: AUC ", 1),
        ("04_temporal", r"known: 2\.60 to 5\.40 s\nfound: 2\.\d\d to 5\.\d\d s", 2),
    ],
)
def test_a_notebook_runs_from_top_to_bottom(
    name: str, pattern: str, pictures: int, closed: Path
) -> None:
    text, shown = said(run(ROOT / f"notebooks/{name}.ipynb"))
    assert re.search(pattern, text), text
    assert shown == pictures
    assert str(ROOT) not in text


def run_cell(source: str, folder: Path) -> str:
    """What a notebook of one cell prints."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbformat.write(notebook, folder / "planted.ipynb")
    return said(run(folder / "planted.ipynb"))[0].strip()


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("1 / 0", "ZeroDivisionError"),
        (f"open({str(ROOT / 'planted.txt')!r}, 'w')", "writes to a temporary folder only"),
        ("import socket; socket.create_connection(('192.0.2.1', 443), 1)", "needs no network"),
    ],
    ids=["error", "write", "network"],
)
def test_a_cell_that_fails_writes_or_connects_is_found(
    source: str, fault: str, closed: Path
) -> None:
    with pytest.raises(CellExecutionError, match=fault):
        run_cell(source, closed)


def test_the_kernel_is_this_interpreter(closed: Path) -> None:
    assert run_cell("import sys; print(sys.executable)", closed) == sys.executable
