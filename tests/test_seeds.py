"""docs/seeds.md is true: each counterpart that it gives exists and has the value that it gives."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.claims import wrong
from tests.sources import ROOT

TEXT = (ROOT / "docs/seeds.md").read_text("utf-8")


@dataclass(frozen=True)
class Row:
    """One thing that a document names, what stands for it here, and why that differs."""

    named: str
    here: str
    why: str

    def tokens(self) -> list[str]:
        """What the middle column says in backticks."""
        return re.findall(r"`([^`]+)`", self.here)


def tables(text: str) -> dict[str, list[Row]]:
    """The rows under each heading of the second level that has a table."""
    found: dict[str, list[Row]] = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        lines = [line for line in section.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
        if cells:
            found[section.splitlines()[0]] = [Row(*three) for three in cells]
    return found


def faults(row: Row) -> list[str]:
    """What is wrong with a row."""
    said = [f"{token}: {fault}" for token in row.tokens() if (fault := wrong(token))]
    if not row.tokens() and not row.why:
        said.append(f"{row.named}: has neither a counterpart that can be checked nor a reason")
    return said


TABLES = tables(TEXT)


def test_each_of_the_five_documents_has_its_table() -> None:
    assert [name[:6] for name in TABLES] == [f"Seed {n}" for n in range(5)]
    assert {name: len(rows) for name, rows in TABLES.items() if len(rows) < 20} == {}


@pytest.mark.parametrize("name", TABLES, ids=lambda name: name[:6].replace(" ", "-").lower())
def test_every_counterpart_exists_with_the_value_that_is_given(name: str) -> None:
    assert [fault for row in TABLES[name] for fault in faults(row)] == []


@pytest.mark.parametrize(
    "token",
    [
        "train/records.py",
        "tests/test_seeds.py::test_a_planted_fault_is_found",
        "config.yaml",
        "<run>/config.yaml",
        "python -m train evaluate --weights",
        "python -m dfexplain analyze --out --fps",
        "scripts/make_examples.py",
        "default.yaml: loss.label_smoothing = 0.02",
        "default.yaml: model.mean = [0.5, 0.5, 0.5]",
        "torch==2.11.0",
        "train.records.VideoRecord.label",
        "train.records.VideoRecord.key",
        "dfexplain.plots.figure_png",
        "train.records.SPLITS = ('train', 'val', 'test')",
    ],
)
def test_a_true_counterpart_passes(token: str) -> None:
    assert faults(Row("planted", f"see `{token}`", "")) == []


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        ("train/record.py", "is not there"),
        ("tests/test_seeds.py::test_nothing", "is no test"),
        ("roc_curves.png", "is no string of the code"),
        ("<run>/checkpoint/best.pt", "checkpoint is no string"),
        ("python -m train fits", "is no command"),
        ("python -m train evaluate --weigths", "does not know --weigths"),
        ("python -m train evaluate --weights (default 3)", "has the default"),
        ("scripts/make_example.py", "is not there"),
        ("scripts/make_examples.py --nothing", "does not know --nothing"),
        ("default.yaml: loss.label_smoothing = 0.05", "is 0.02"),
        ("default.yaml: loss.smoothing = 0.02", "is no setting"),
        ("first.yaml: run.pretrained = 1", "is True"),
        ("sbi_lite9.yaml: loss.label_smoothing = 0.04", "must be a file"),
        ("torch==2.2.2", "is 2.11.0"),
        ("albumentations==1.4.0", "is not there"),
        ("train.records.VideoRecord.lable", "is no name"),
        ("train.recrods.VideoRecord", "is no name"),
        ("train.records.SPLITS = ('train', 'val')", "is ('train', 'val', 'test')"),
        ("a word", "is of no kind"),
    ],
)
def test_a_planted_fault_is_found(token: str, fault: str) -> None:
    (said,) = faults(Row("planted", f"see `{token}`", "a reason"))
    assert said.startswith(token)
    assert fault in said


def test_a_row_without_a_counterpart_needs_a_reason() -> None:
    assert faults(Row("planted", "none", ""))
    assert not faults(Row("planted", "none", "it is not needed"))


def test_the_table_is_read_as_it_is_written() -> None:
    text = "# T\n\n## Seed 0: x\n\n| a | b | c |\n|---|---|---|\n| `n` | `p/q` | r |\n\n## Y\n"
    assert tables(text) == {"Seed 0: x": [Row("`n`", "`p/q`", "r")]}
