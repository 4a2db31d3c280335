"""The words that users read: nothing is proven, nobody is certified, a map is where it looked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.sources import ROOT
from tests.test_architecture import spoken

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "weights").glob("*/README.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
]
SHOWN = [
    path
    for room in ("ui", "report", "plots", "explain", "commands")
    for path in sorted((ROOT / "dfexplain" / room).rglob("*"))
    if path.suffix in {".py", ".j2", ".js", ".html"}
]
# "authenticity" as the name of a field of study, and "proof" of what an attacker would need, count
# too: there are other words.
CLAIMS = re.compile(r"\b(proofs?|proven|proves?|authentic\w*|guarantee\w*|foolproof)\b", re.I)
# What a map must not be said to show.
MAPS = re.compile(
    r"\b(heatmap|heat map|map|overlay)s? (shows?|reveals?|marks?|finds?|locates?) "
    r"(what was|the|where the (?:face|picture|video) (?:was|is)) "
    r"(forged|forgery|manipulat\w+|fake|edited|changed)",
    re.I,
)
# What the documents behind the project ask for is quoted in their words.
QUOTED = {"docs/seeds.md"}


def said_in(path: Path) -> list[str]:
    return list(spoken(path)) if path.suffix == ".py" else [path.read_text("utf-8")]


@pytest.mark.parametrize(
    "path", [*DOCUMENTS, *SHOWN], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_no_word_claims_more_than_was_measured(path: Path) -> None:
    if path.relative_to(ROOT).as_posix() in QUOTED:
        return
    found = [m[0] for text in said_in(path) for rule in (CLAIMS, MAPS) for m in rule.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    ["proof of a fake", "This video is authentic.", "the heatmap shows the forgery",
     "Maps reveal what was manipulated"],
)  # fmt: skip
def test_the_rules_find_what_they_are_for(text: str) -> None:
    assert CLAIMS.search(text) or MAPS.search(text)


def test_a_map_is_where_the_model_looked() -> None:
    for path in (ROOT / "README.md", ROOT / "dfexplain/ui/words.py"):
        assert "where the model looked" in path.read_text("utf-8")
    said = " ".join((ROOT / "dfexplain/report/contents.py").read_text("utf-8").split())
    assert "where the model looked" in said
