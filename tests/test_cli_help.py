"""The command line besides `analyze`: help and its document, weights, app, and how it starts."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import textwrap
import tomllib
import types
from pathlib import Path

import pytest

from dfexplain import __main__ as cli
from dfexplain import __version__, errors
from tests.reports import make_calibration, make_weights

ROOT = Path(__file__).parents[1]
COMMANDS = [
    "",
    "analyze",
    "batch",
    "compare",
    "bundle",
    "verify",
    "annotate",
    "recompress",
    "weights",
    "explain-benchmark",
    "history",
    "serve",
    "worker",
    "app",
]


def test_weights_says_what_they_are_worth(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dfexplain import hub
    from dfexplain.models import ModelConfig

    info = make_weights()
    calibration = make_calibration(info.sha256)
    shown = hub.Weights(info, ModelConfig(), {}, 3.0, calibration, None, "", Path("/w"))
    specs: list[str | None] = []

    def load(spec: str | None) -> hub.Weights:
        specs.append(spec)
        return shown

    monkeypatch.setattr(hub, "load", load)
    assert cli.main(["weights", "--weights", "org/name@v1"]) == 0
    said = capsys.readouterr().out
    assert specs == ["org/name@v1"]
    for part in (info.sha256, "5 % of 60 real videos", "ECE 0.10", calibration.measured_on):
        assert part in said
    shown = dataclasses.replace(shown, calibration=None)
    cli.main(["weights"])
    assert specs[-1] is None
    assert "none: scores are not probabilities" in capsys.readouterr().out


def test_app_builds_and_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    ui = types.ModuleType("dfexplain.ui")
    ui.build = lambda: "page"  # type: ignore[attr-defined]
    ui.launch = calls.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dfexplain.ui", ui)
    assert cli.main(["app"]) == 0
    assert calls == ["page"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_cheap_and_loads_nothing_heavy(command: str) -> None:
    script = textwrap.dedent(
        """
        import sys, time
        from dfexplain.__main__ import main
        try:
            main([*sys.argv[1:], "--help"])
        except SystemExit as end:
            assert end.code == 0
        heavy = {"torch", "gradio", "matplotlib", "cv2", "av", "numpy", "timm", "tqdm", "jinja2"}
        print(sorted(heavy & set(sys.modules)), time.process_time(), file=sys.stderr)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command.split()],
        capture_output=True, text=True, timeout=60, check=True, cwd=ROOT,
    )  # fmt: skip
    loaded, seconds = done.stderr.rsplit(maxsplit=1)
    assert loaded == "[]"
    assert float(seconds) < 0.5
    assert done.stdout.startswith("usage: dfexplain")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_documented_help_is_the_printed_one(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([*command.split(), "--help"])
    assert end.value.code == 0
    line = " ".join(["dfexplain", *command.split(), "--help"])
    block = f"```console\n$ {line}\n{capsys.readouterr().out}```\n"
    assert block in (ROOT / "docs" / "cli.md").read_text("utf-8"), (
        f"write into docs/cli.md:\n{block}"
    )


def test_the_documents_name_every_error_code() -> None:
    said = (ROOT / "docs" / "cli.md").read_text("utf-8")
    leaves = {errors.FileRefused, errors.InputChanged, errors.NotAVideo,
              errors.LimitExceeded, errors.SettingError,
              errors.WeightsNotFound, errors.WeightsRefused, errors.HubUnavailable,
              errors.HistoryUnavailable, errors.StoreUnavailable}  # fmt: skip
    assert {kind.code for kind in leaves} == set(re.findall(r"^\| `([a-z-]+)` \|", said, re.M))


def test_it_runs_as_a_module_and_as_a_script() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dfexplain", "--version"],
        capture_output=True, text=True, timeout=60, check=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == f"dfexplain {__version__}\n"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["scripts"] == {"dfexplain": "dfexplain.__main__:main"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_reader_that_leaves_ends_the_run_quietly() -> None:
    script = """
        import sys
        from dfexplain import __main__ as cli
        from dfexplain.commands import weights
        weights.told = lambda spec: ["line"] * 100_000
        sys.exit(cli.main(["weights"]))
        """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"line\n"
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0
