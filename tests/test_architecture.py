"""The rules of docs/architecture.md, held by reading the syntax tree of every module."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfexplain import errors
from tests.sources import MODULES, OURS, ROOT, TREES, files, imported, shown, texts, third_party

LONGEST_FILE = 320
# Every English text of the page, in one place for whoever translates it.
CATALOGUES = {"dfexplain/ui/words.py"}

# A module imports its own rank and below. A package (models, plots ...) has one rank for all of it.
RANKS = {
    0: "structures errors",
    1: "aggregate agreement ahead allocator cage caged calibration comparison decode encode "
    "evaluation face_shape floors history_file intervals jpegs manifests metrics naturalness "
    "packets pixels plan provenance scaling shared still tonemap video walls worth",
    2: "cascade engine faces finders folding golden hub models mtcnn publish pushing reference "
    "release_checks shots space tracks trails untrusted weights_folder weights_writing",
    3: "detector explain lanes recompress",
    4: "annotated history plots report run_files",
    5: "__main__ batch commands service ui",
}
RANK = {room: rank for rank, rooms in RANKS.items() for room in rooms.split()}

# Who may import what from outside; numpy and OpenCV are everybody's.
OWNERS = {
    "alembic": "batch",
    "av": "decode encode packets still",
    "c2pa": "manifests",
    "captum": "explain",
    "celery": "batch",
    "fastapi": "service",
    "gradio": "ui",
    "httpx2": "hub pushing service",
    "huggingface_hub": "hub pushing release_checks",
    "jinja2": "report",
    "markupsafe": "report",
    "matplotlib": "plots",
    "prometheus_client": "service",
    "pytorch_grad_cam": "explain",
    "reportlab": "report",
    "safetensors": "untrusted weights_writing",
    "sqlalchemy": "batch",
    "starlette": "service ui",
    "timm": "models",
    "torchvision": "models",
    "torch": "cascade engine explain faces folding golden models mtcnn untrusted weights_folder "
    "weights_writing",
    "tqdm": "commands",
    "uvicorn": "service",
    "yaml": "release_checks",
}
EVERYBODYS = {"cv2", "numpy"}


def room_of(module: str) -> str:
    """dfexplain.report.page is in the room report; dfexplain itself is its own."""
    return module.split(".")[1] if "." in module else module


LIBRARY = {name: path for name, path in MODULES.items() if name.startswith("dfexplain.")}


def test_every_room_has_a_rank_and_every_rank_its_rooms() -> None:
    assert {room_of(name) for name in LIBRARY} == set(RANK)


def test_a_module_imports_its_own_rank_and_below() -> None:
    pairs = [(name, m) for name, path in LIBRARY.items() for m in imported(TREES[path])]
    assert [(name, m) for name, m in pairs if m.split(".")[0] in OURS - {"dfexplain"}] == []
    inner = [(name, m) for name, m in pairs if m in LIBRARY]
    assert len(inner) > len(LIBRARY)
    assert [(name, m) for name, m in inner if RANK[room_of(m)] > RANK[room_of(name)]] == []


def test_imports_run_in_no_circle() -> None:
    graph = {name: {m for m in imported(TREES[LIBRARY[name]]) if m in LIBRARY} for name in LIBRARY}
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_the_package_itself_imports_nothing_but_os() -> None:
    # Which Python has loaded before: it costs nothing.
    assert set(imported(TREES[MODULES["dfexplain"]])) == {"os"}


def test_app_is_the_page_and_nothing_else() -> None:
    assert set(imported(TREES[ROOT / "app.py"])) == {"dfexplain.ui"}


def test_training_uses_ranks_0_to_4_and_only_the_library() -> None:
    used = {m for path in files("train") for m in imported(TREES[path])}
    rooms = {room_of(m) for m in used if m.split(".")[0] == "dfexplain"} - {"dfexplain"}
    assert rooms
    assert max(RANK[room] for room in rooms) <= 4
    assert not {m.split(".")[0] for m in used} & (OURS - {"dfexplain", "train"})


def test_heavy_packages_have_owners() -> None:
    found: dict[str, set[str]] = {}
    for name, path in LIBRARY.items():
        for package in third_party(path) - EVERYBODYS:
            found.setdefault(package, set()).add(room_of(name))
    assert found == {package: set(rooms.split()) for package, rooms in OWNERS.items()}


def test_figures_are_drawn_without_pyplot() -> None:
    assert not [n for n, p in MODULES.items() if any("pyplot" in m for m in imported(TREES[p]))]


def test_a_file_holds_one_thing() -> None:
    lines = {shown(path): len(path.read_text("utf-8").splitlines()) for path in TREES}
    too_long = {name for name, count in lines.items() if count > LONGEST_FILE}
    assert too_long <= CATALOGUES
    assert [shown(p) for p in TREES if re.search(r"util|helper|misc|manager", p.stem)] == []


def test_imports_are_absolute() -> None:
    assert [
        f"{shown(path)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ] == []


def test_errors_are_caught_by_name() -> None:
    wide = re.compile(r"\b(everything|Exception|BaseException)\b")
    assert [
        f"{shown(path)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and wide.search(ast.unparse(node.type) if node.type else "everything")
    ] == []


def test_nothing_is_left_to_do() -> None:
    unfinished = "|".join(["Not" + "ImplementedError", "TO" + "DO", "FIX" + "ME"])
    left = re.compile(rf"\b({unfinished})\b")
    assert [shown(path) for path in TREES if left.search(path.read_text("utf-8"))] == []


def public(tree: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def test_public_things_say_what_they_are() -> None:
    trees = {name: TREES[path] for name, path in LIBRARY.items()}
    assert [name for name, tree in trees.items() if not ast.get_docstring(tree)] == []
    assert [
        f"{name}.{node.name}"
        for name, tree in trees.items()
        for node in public(tree)
        if not ast.get_docstring(node)
    ] == []


def loaded_by(code: str) -> set[str]:
    """Run Python code in a fresh interpreter; the modules that it has loaded in the end."""
    code += "\nimport sys; print('\\n' + ' '.join(sys.modules))"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


ASK_FOR_HELP = """
import runpy, sys
sys.argv = ["dfexplain", "--help"]
try:
    runpy.run_module("dfexplain", run_name="__main__")
except SystemExit as end:
    assert not end.code
"""


@pytest.mark.parametrize("code", ["import dfexplain", ASK_FOR_HELP], ids=["import", "help"])
def test_a_quick_answer_loads_nothing_heavy(code: str) -> None:
    loaded = loaded_by(code)
    assert "dfexplain" in loaded
    assert not loaded & {*OWNERS, *EVERYBODYS}


@pytest.mark.parametrize(
    ("arguments", "cpu_s"),
    [(["-c", "import dfexplain"], 0.2), (["-m", "dfexplain", "--help"], 0.5)],
    ids=["import", "help"],
)
def test_a_quick_answer_is_quick(arguments: list[str], cpu_s: float) -> None:
    resource = pytest.importorskip("resource", reason="CPU time of a child is known on POSIX only")

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return float(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    assert min(once() for _ in range(3)) < cpu_s


def test_the_error_tree_is_drawn_as_it_is() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if node := re.match(r"([│├└─ ]*)([A-Z]\w+) {2,}\S", line):
            depth = len(node[1]) // 4
            path[depth:] = [node[2]]
            drawn[node[2]] = path[depth - 1] if depth else "Exception"
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    classes = {kind.__name__: kind for kind in kinds if issubclass(kind, errors.DfExplainError)}
    assert len(classes) == len(kinds)
    assert drawn == {name: kind.__mro__[1].__name__ for name, kind in classes.items()}
    assert errors.__all__ == sorted(classes)
    assert len({kind.code for kind in classes.values()}) == len(classes)


def spoken(path: Path) -> Iterator[str]:
    """The strings of a module that are not docstrings; of any other file, all of it."""
    if path.suffix != ".py":
        yield path.read_text("utf-8")
        return
    docs = {
        id(node.value)
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


@pytest.mark.parametrize("room", ["ui", "report"])
def test_no_word_claims_more_than_was_measured(room: str) -> None:
    folder = ROOT / "dfexplain" / room
    files = [p for p in folder.rglob("*") if p.suffix in {".py", ".j2", ".js", ".css", ".html"}]
    said = [text for path in files for text in spoken(path)]
    assert said
    assert [text for text in said if re.search(r"\b(proof|authentic)", text, re.IGNORECASE)] == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    somebodys = re.compile(r"(?<![\w.])/(?:work|farm|root|home/\w+|Users/\w+|tmp/[a-z]+)/")
    named = [p for p in texts() if somebodys.search(p.read_text("utf-8", "replace"))]
    assert [shown(path) for path in named] == []


def test_the_document_shows_every_room_with_its_rank_and_what_it_owns() -> None:
    ranks: dict[str, int] = {}
    owned: dict[str, set[str]] = {}
    rank = ""
    for line in (ROOT / "docs/architecture.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[1].startswith("`"):
            rank, room = cells[0] or rank, cells[1].strip("`")
            ranks[room] = int(rank)
            for package in filter(None, cells[3].split(", ")):
                owned.setdefault(package, set()).add(room)
    assert ranks == RANK
    shared = {"torch": set(OWNERS["torch"].split())}
    assert owned | shared == {package: set(rooms.split()) for package, rooms in OWNERS.items()}


def test_the_document_shows_every_module_of_the_training_side() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    part = text[text.index("## The training side") : text.index("## Decisions")]
    rows = [line.split("|")[2] for line in part.splitlines() if line.startswith("| ")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    there = {name.split(".")[1] for name in MODULES if name.startswith("train.")}
    assert len(named) == len(set(named))
    assert set(named) == there - {"__main__", "commands"}
