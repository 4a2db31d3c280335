"""The documents are true: the Space's front matter, the commands, the links and the options."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from huggingface_hub import SpaceCard

from dfexplain.__main__ import parser
from tests.sources import ROOT, TREES
from tests.test_requirements import pins

README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    ROOT / "benchmarks/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]

# huggingface.co/docs/hub/spaces-config-reference, the keys that a Gradio Space may set.
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
SPACE_KEYS = {
    *("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version"),
    *("app_file", "pinned", "license", "short_description", "thumbnail", "tags", "models"),
    *("datasets", "fullWidth", "header", "suggested_hardware", "suggested_storage"),
    *("base_path", "disable_embedding", "startup_duration_timeout", "preload_from_hub"),
}


def test_the_front_matter_is_that_of_a_gradio_space() -> None:
    space = SpaceCard(README).data.to_dict()
    assert set(space) <= SPACE_KEYS
    assert space["sdk"] == "gradio"
    assert space["sdk_version"] == pins("requirements.txt")["gradio"][0]
    assert (ROOT / space["app_file"]).is_file()
    assert {space["colorFrom"], space["colorTo"]} <= COLOURS
    assert space["title"]
    assert len(space["emoji"]) == 1
    assert not space["emoji"].isascii()
    assert space["license"] == "apache-2.0"
    assert space["pinned"] is False
    assert 0 < len(space["short_description"]) <= 60


def test_the_space_runs_a_python_that_the_project_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    low, high = re.findall(r"3\.(\d+)", project["requires-python"])
    version = SpaceCard(README).data.to_dict()["python_version"]
    assert re.fullmatch(r"3\.\d+", version)
    assert int(low) <= int(version.split(".")[1]) < int(high)
    assert int(low) <= sys.version_info.minor < int(high)


def block(name: str) -> str:
    """The one line of the code block under <!-- name --> in the README."""
    found = re.search(
        rf"^ *<!-- {re.escape(name)} -->\n *```\w+\n(.+)\n *```$", README, re.MULTILINE
    )
    assert found, name
    return found[1].strip()


@pytest.mark.parametrize(
    ("name", "requirements", "last"),
    [
        ("run", "requirements.txt", "app.py"),
        ("test", "requirements-dev.txt", "-m pytest -n 2 --dist loadfile"),
    ],
    ids=["run", "test"],
)
def test_the_two_commands_are_one_line_each(name: str, requirements: str, last: str) -> None:
    steps = [
        "python3 -m venv .venv",
        f".venv/bin/pip install -r {requirements}",
        f".venv/bin/python {last}",
    ]
    assert block(name) == " && ".join(steps)
    windows = (
        "; ".join(steps).replace("python3", "py -3.12").replace(".venv/bin/", ".venv\\Scripts\\")
    )
    assert block(f"{name}, PowerShell") == windows


@pytest.mark.skipif(sys.platform == "win32", reason="CI runs on Debian: .ci/run is a bash script")
def test_ci_runs_the_command_of_the_readme() -> None:
    show = ["bash", str(ROOT / ".ci/run"), "--show"]
    done = subprocess.run(show, capture_output=True, text=True, check=True)
    assert done.stdout == block("test") + "\n"


def test_no_document_or_script_names_a_package_index() -> None:
    for path in [*DOCUMENTS, ROOT / ".ci/run"]:
        assert "index-url" not in path.read_text("utf-8"), path.name


def anchors(text: str) -> set[str]:
    """The anchors that GitHub and the Hub give to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        goal = path.parent / name if name else path
        assert goal.exists(), target
        assert not anchor or anchor in anchors(goal.read_text("utf-8")), target


def code(text: str) -> list[str]:
    """The lines of a document that are code: in fences, indented, or a span within a line."""
    fences = re.findall(r"^ *```\w*\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for fence in fences for line in fence.splitlines()]
    lines += re.findall(r"^ {4}(.+)$", text, re.MULTILINE) + re.findall(r"`([^`\n]+)`", text)
    return [line.strip().removeprefix("$ ") for line in lines]


def commands() -> list[list[str]]:
    """Every command of ours in the documents: ["dfexplain", "analyze", "--out", ...]."""
    ours = r"dfexplain|train|benchmarks\.\w+|scripts/\w+\.py"
    start = r"(?:[A-Z_]+=\S+ )*(?:(?:\.venv/bin/)?python (?:-m )?)?"
    lines = [line for path in DOCUMENTS for line in code(path.read_text("utf-8"))]
    found = [re.fullmatch(rf"{start}((?:{ours})(?: .+)?)", line) for line in lines]
    return [shlex.split(match[1], comments=True) for match in found if match]


@cache
def help_of(*words: str) -> str:
    run = [sys.executable, "-m", *words, "--help"]
    return subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_every_documented_command_is_understood() -> None:
    checked = set()
    for program, *words in commands():
        checked.add(program)
        options = [word for word in words if word.startswith("--")]
        if program == "dfexplain" and options and "--help" not in options:
            parser().parse_args(words)
        elif program in {"dfexplain", "train"}:
            text = help_of(program, *words[:1])
            assert [option for option in options if option not in text] == [], words
        else:
            path = program.removesuffix(".py").replace(".", "/")
            assert any((ROOT / f"{path}{end}").is_file() for end in (".py", "/__main__.py")), path
    assert {"dfexplain", "train", "benchmarks.long_file", "scripts/make_examples.py"} <= checked


def test_every_documented_variable_is_read() -> None:
    named = {v for path in DOCUMENTS for v in re.findall(r"DFEXPLAIN_\w+", path.read_text("utf-8"))}
    read = "".join(path.read_text("utf-8") for path in TREES)
    assert "DFEXPLAIN_WEIGHTS" in named
    assert {variable for variable in named if f'"{variable}"' not in read} == set()
