"""docs/train.md and scripts/run_training.sh: the same steps, and `python -m train` knows them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources import ROOT
from train.__main__ import parser

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a bash script; docs/train.md")

STEPS = ["extract", "split", "stats", "fit", "evaluate", "evaluate", "export"]
NEEDED = ["--input-dir", "my videos", "--config", str(ROOT / "train/configs/mobilenetv3.yaml")]


def script(*words: str, folder: Path, python: str = sys.executable) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of the script, run in `folder`."""
    command = ["bash", str(ROOT / "scripts/run_training.sh"), *words]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_help_names_every_option(tmp_path: Path) -> None:
    status, said, _ = script("--help", folder=tmp_path)
    assert status == 0
    options = [line.split()[0] for line in said.splitlines() if line.startswith("  --")]
    source = (ROOT / "scripts/run_training.sh").read_text("utf-8")
    assert len(options) == 8
    assert [o for o in options if f"    {o})" not in source and f"| {o} " not in source] == []


def test_a_dry_run_prints_commands_that_are_understood_and_writes_nothing(tmp_path: Path) -> None:
    words = ["--out", "out", "--frames", "10", "--set", "run.epochs=3", "--set", "model.crop_px=96"]
    words += ["--split-option", "--drop-bridges", "--dry-run"]
    status, said, error = script(*NEEDED, *words, folder=tmp_path)
    assert status == 0, error
    commands = [shlex.split(line) for line in said.splitlines()]
    assert [words[:4] for words in commands] == [["+", "python", "-m", "train"]] * len(STEPS)
    assert [words[4] for words in commands] == STEPS
    parsed = {words[4]: parser().parse_args(words[4:]) for words in commands}
    assert parsed["extract"].input_dir == Path("my videos")
    assert (parsed["extract"].frames, parsed["extract"].crop_px) == (10, 96)
    assert parsed["extract"].margin == 0.3
    assert parsed["split"].drop_bridges is True
    assert parsed["fit"].set == ["run.epochs=3", "model.crop_px=96"]
    assert parsed["fit"].val_csv == parsed["evaluate"].val_csv == parsed["export"].val_csv
    assert parsed["fit"].run == parsed["evaluate"].run == parsed["export"].run == Path("out/run")
    assert list(tmp_path.iterdir()) == []


def test_each_step_is_run_until_one_fails(tmp_path: Path) -> None:
    shim = tmp_path / "python"
    answer = 'if [ "$1" = - ]; then echo 224 0.3; else echo "$3" >>ran; [ "$3" != stats ]; fi'
    shim.write_text(f"#!/bin/sh\n{answer}\n")
    shim.chmod(0o755)
    status, _, _ = script(*NEEDED, "--out", "out", folder=tmp_path, python=str(shim))
    assert status == 1
    assert (tmp_path / "ran").read_text().split() == STEPS[:3]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (NEEDED, "--out must be given"),
        ([*NEEDED, "--out"], "--out must have a value"),
        ([*NEEDED, "--out", "out", "--epochs", "3"], "got '--epochs'"),
        ([*NEEDED, "--out", "out", "--set", "run.epoch=3"], "Did you mean 'run.epochs'?"),
    ],
    ids=["missing", "no-value", "unknown", "setting"],
)
def test_what_is_wrong_is_said_in_one_line(words: list[str], fault: str, tmp_path: Path) -> None:
    status, said, error = script(*words, folder=tmp_path)
    assert (status, said) == (2, "")
    assert fault in error
    assert len(error.splitlines()) == 1


DOCUMENT = (ROOT / "docs/train.md").read_text("utf-8")


def blocks(language: str) -> list[list[str]]:
    """The code blocks of docs/train.md in a language, each as its lines."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return [text.splitlines() for text in found]


def test_the_document_has_the_same_steps_for_both_shells_and_the_script(tmp_path: Path) -> None:
    (powershell,) = blocks("powershell")
    bash = blocks("bash")[0]
    assert [line.replace(".venv\\Scripts\\", ".venv/bin/") for line in powershell] == bash
    assert [line.split()[3] for line in bash[1:]] == STEPS
    words = [*shlex.split(blocks("bash")[1][0])[1:], "--dry-run"]
    words[words.index("train/configs/small_lite0.yaml")] = str(
        ROOT / "train/configs/small_lite0.yaml"
    )
    _, said, _ = script(*words, folder=tmp_path)
    for shown, printed in zip(bash[1:], said.splitlines(), strict=True):
        by_hand, by_script = (
            {word.partition("=")[0] for word in shlex.split(line) if word.startswith("--")}
            for line in (shown, printed)
        )
        assert by_hand <= by_script, shown


def test_the_document_lists_every_config() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`(\w+\.yaml)`", row)}
    assert listed == {path.name for path in (ROOT / "train/configs").iterdir()}
