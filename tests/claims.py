"""What a document may name in backticks, each kind with its check against the project.

train/splits.py                                  a file or folder of the project
tests/train/test_splits.py::test_leak            a test in a file
<run>/checkpoints/best.pt, roc_curve.png         a name that the code writes or reads
python -m train split --seed (default 42)        a command; the default of its last option
frames_only_b0.yaml: loss.label_smoothing = 0.05 a setting of a config
torch==2.11.0                                    a pin
train.splits.SEED = 42                           a name in the syntax tree, and its value
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Callable, Iterator
from functools import cache

import torch

from dfexplain.__main__ import parser as app_parser
from dfexplain.errors import DfExplainError
from dfexplain.models import build
from tests.sources import MODULES, ROOT, TREES, files
from tests.test_requirements import normal, pins
from train import config
from train.__main__ import parser as train_parser


def wrong(token: str) -> str:
    """Why the project does not have what `token` names; empty where it does."""
    for pattern, check in KINDS:
        if match := re.fullmatch(pattern, token):
            return check(*match.groups())
    return "is of no kind that can be checked"


def _path(name: str) -> str:
    return "" if (ROOT / name).exists() else "is not there"


def _test(name: str, test: str) -> str:
    path = ROOT / name
    if path not in TREES:
        return "is not there"
    defined = {n.name for n in ast.walk(TREES[path]) if isinstance(n, ast.FunctionDef)}
    return "" if test in defined else "is no test of that file"


@cache
def _spoken() -> frozenset[str]:
    """Every string of the code, and every part of one that is a path; no docstrings."""
    found: set[str] = set()
    for path in files("app.py", "dfexplain", "train", "scripts"):
        nodes = list(ast.walk(TREES[path]))
        docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in docs
            ):
                found |= {node.value, *node.value.split("/")}
    return frozenset(found)


def _is_spoken(part: str) -> bool:
    """Whether a name is a string of the code, whole or as stem and suffix: f"{name}.pt"."""
    stem, dot, suffix = part.rpartition(".")
    return part in _spoken() or {stem, dot + suffix} <= _spoken()


def _written(name: str) -> str:
    missing = [part for part in name.split("/") if not _is_spoken(part)]
    return f"{', '.join(missing)} is no string of the code" if missing else ""


def _file(name: str) -> str:
    return "" if (ROOT / name).is_file() else _written(name)


@cache
def _command(program: str, name: str) -> dict[str, argparse.Action]:
    """The options of a command as its --help lists them."""
    whole = {"train": train_parser, "dfexplain": app_parser}[program]()
    # argparse has no public way to ask a parser for its commands.
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction) and name in action.choices:
            return dict(action.choices[name]._option_string_actions)
    return {}


def _called(program: str, name: str, words: str | None, default: str | None) -> str:
    known = _command(program, name)
    if not known:
        return "is no command"
    given = [word for word in (words or "").split() if word.startswith("--")]
    if unknown := [option for option in given if option not in known]:
        return f"does not know {', '.join(unknown)}"
    if default is None:
        return ""
    there = known[given[-1]].default
    there = " ".join(map(str, there)) if isinstance(there, list | tuple) else there
    return "" if str(there) == default else f"has the default {there}"


def _script(name: str, words: str | None) -> str:
    path = ROOT / name
    if not path.is_file():
        return "is not there"
    options = [word for word in (words or "").split() if word.startswith("--")]
    text = path.read_text("utf-8")
    unknown = [o for o in options if not re.search(rf"(?<![\w-]){o}(?![\w-])", text)]
    return f"does not know {', '.join(unknown)}" if unknown else ""


def _setting(name: str, key: str, text: str) -> str:
    try:
        settings = config.read(ROOT / "train/configs" / name)
    except DfExplainError as error:
        return str(error)
    if key == "parameters":
        with torch.device("meta"):
            count = sum(p.numel() for p in build(settings.model).parameters())
        return "" if str(count) == text else f"is {count}"
    there: object = settings
    for part in key.split("."):
        if not hasattr(there, part):
            return "is no setting"
        there = getattr(there, part)
    wanted = config.value(text)
    there = list(there) if isinstance(there, tuple) else there
    same = there == wanted and isinstance(there, bool) == isinstance(wanted, bool)
    return "" if same or there == text else f"is {there!r}"


def _pin(package: str, version: str) -> str:
    there = pins("requirements-dev.txt").get(normal(package), ("not there", ""))[0]
    return "" if there == version else f"is {there}"


def _name(dotted: str, text: str | None) -> str:
    parts = dotted.split(".")
    cut = max((n for n in range(len(parts) + 1) if ".".join(parts[:n]) in MODULES), default=0)
    node = _find(".".join(parts[:cut]), parts[cut:])
    if node is None:
        return "is no name of the code"
    if text is None:
        return ""
    value = getattr(node, "value", None)
    try:
        there = ast.literal_eval(value) if value else None
    except ValueError:
        return "has no value that can be read"
    return "" if str(there) == text else f"is {there}"


def _find(module: str, names: list[str]) -> ast.AST | None:
    """The node that defines names[0].names[1]... in a module; imports and bases are followed."""
    if module not in MODULES:
        return None
    node: ast.AST = TREES[MODULES[module]]
    for name in names:
        found = next((n for n in _members(module, node) if name in _defined(n)), None)
        if isinstance(found, ast.ImportFrom):
            rest = names[names.index(name) + 1 :]
            real = next(a.name for a in found.names if (a.asname or a.name) == name)
            return _find(str(found.module), [real, *rest])
        if found is None:
            return None
        node = found
    return node


def _members(module: str, node: ast.AST) -> Iterator[ast.AST]:
    """The statements in a module or a class, and in the bases of the class."""
    yield from getattr(node, "body", [])
    for base in getattr(node, "bases", []):
        if (parent := _find(module, ast.unparse(base).split("."))) and parent is not node:
            yield from _members(module, parent)


def _defined(node: ast.AST) -> set[str]:
    """The names that a statement binds."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    if isinstance(node, ast.Assign):
        return {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()


_OPTIONS = r"((?: [^()]+)?)"
KINDS: list[tuple[str, Callable[..., str]]] = [
    (r"(tests/[\w/]+\.py)::(test_\w+)", _test),
    (r"<\w+>/([\w./]+)", _written),
    (rf"python -m (train|dfexplain) (\w+){_OPTIONS}(?: \(default (.+)\))?", _called),
    (rf"(scripts/\w+\.(?:sh|py)){_OPTIONS}", _script),
    (r"(\w+\.yaml): ([\w.]+) = (.+)", _setting),
    (r"([\w-]+)==([\w.]+)", _pin),
    (r"((?:dfexplain|train)(?:\.\w+)+)(?: = (.+))?", _name),
    (r"([\w-]+\.[a-z0-9]+)", _file),
    (r"([\w.-]+/[\w./-]*)", _path),
]
