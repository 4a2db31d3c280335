"""The command line, with reports made by hand: what it prints, writes and returns."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dfexplain import __main__ as cli
from dfexplain import errors, weights_writing
from dfexplain.commands import analyze as analyzing
from dfexplain.structures import Progress, Sampling, VideoReport
from tests import small_weights as small
from tests.reports import REPORTS

ROOT = Path(__file__).parents[1]


class Made:
    """Stands in for the Detector: hands out made reports by the stem of the file."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Sampling]] = []
        self.closed = 0

    def analyze(self, path: str, sampling: Sampling) -> Iterator[Progress | VideoReport]:
        self.asked.append((str(path), sampling))
        stem = Path(path).stem
        try:
            yield Progress("open", 0, 1)
            if stem == "text":
                raise errors.NotAVideo("file must be a video, but got text. Choose another.")
            if stem == "stop":
                raise KeyboardInterrupt
            yield Progress("read", 8, 32)
            made = REPORTS[stem]()
            info = dataclasses.replace(made.info, file=os.path.basename(path))
            yield dataclasses.replace(made, info=info)
        finally:
            self.closed += 1


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    detector = Made()
    monkeypatch.setattr(analyzing, "tools", lambda arguments: (detector, lambda found: found))
    return detector


def analyze(*arguments: object) -> int:
    return cli.main(["analyze", *map(str, arguments)])


def test_one_line_a_video_and_its_files(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert analyze("two_faces.mp4", "no_face.mp4", "--out", tmp_path) == 0
    said = capsys.readouterr()
    first, second = said.out.splitlines()
    assert first.startswith("two_faces.mp4: likely manipulated, p 0.93 (cannot tell between ")
    assert first.endswith("face B, 2 spans: 0:03.3–0:04.8, 0:07.0–0:07.6")
    assert second == "no_face.mp4: no face found (no_face), 0 of 32 frames had a face"
    assert said.err == ""
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        f"{stem}{end}"
        for stem in ("two_faces", "no_face")
        for end in (".json", ".html", ".frames.csv", ".run.json")
    } | {"videos.csv"}
    assert json.loads((tmp_path / "two_faces.json").read_text("utf-8"))["verdict"] == "fake"
    assert len((tmp_path / "videos.csv").read_text("utf-8").splitlines()) == 3
    assert made.closed == 2


def test_a_bad_file_is_one_line_and_the_good_ones_are_written(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = analyze("a/text.mp4", "untouched.mp4", "--out", tmp_path, "--format", "json")
    assert status == 2
    said = capsys.readouterr()
    assert said.err == (
        "error[not-a-video]: a/text.mp4: file must be a video, but got text. Choose another.\n"
    )
    assert said.out.startswith("untouched.mp4: no sign found, p 0.")
    assert {p.name for p in tmp_path.iterdir()} == {"untouched.json", "untouched.run.json"}
    assert made.closed == 2


def test_an_interrupt_keeps_what_was_finished(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert analyze("untouched.mp4", "stop.mp4", "in_band.mp4", "--out", tmp_path) == 130
    said = capsys.readouterr()
    assert [line.split(":")[0] for line in said.out.splitlines()] == ["untouched.mp4"]
    assert said.err == "interrupted\n"
    assert (tmp_path / "untouched.html").exists()
    assert not list(tmp_path.glob("in_band*"))
    assert made.closed == 2


def test_two_runs_write_the_same_bytes(made: Made, tmp_path: Path) -> None:
    written = []
    for run in ("one", "two"):
        analyze("untouched.mp4", "uncalibrated.mp4", "--out", tmp_path / run)
        files = sorted((tmp_path / run).iterdir())
        written.append({f.name: f.read_bytes() for f in files if not f.name.endswith(".run.json")})
    assert written[0] == written[1]
    assert len(written[0]) == 7


@pytest.mark.parametrize(
    ("arguments", "sampling"),
    [
        ([], Sampling(frames=32)),
        (["--frames", "8"], Sampling(frames=8)),
        (["--fps", "2.5"], Sampling(frames=None, fps=2.5)),
        (["--every", "10"], Sampling(frames=None, every=10)),
    ],
)
def test_the_sampling_that_is_asked_for_is_used(
    made: Made, tmp_path: Path, arguments: list[str], sampling: Sampling
) -> None:
    analyze("no_face.mp4", "--out", tmp_path, "--format", "json", *arguments)
    assert made.asked == [("no_face.mp4", sampling)]


BAD = [
    (["analyze", "x.mp4"], "--out"),
    (["analyze", "--out", "{out}"], "VIDEO"),
    (["analyze", "x.mp4", "--out", "{out}", "--frames", "0"], "at least 1, but got '0'"),
    (["analyze", "x.mp4", "--out", "{out}", "--frames", "few"], "but got 'few'"),
    (["analyze", "x.mp4", "--out", "{out}", "--frames", "3001"], "at most 3000, but got 3001"),
    (["analyze", "x.mp4", "--out", "{out}", "--fps", "-1"], "above 0, but got '-1'"),
    (["analyze", "x.mp4", "--out", "{out}", "--fps", "nan"], "above 0, but got 'nan'"),
    (["analyze", "x.mp4", "--out", "{out}", "--fps", "inf"], "above 0, but got 'inf'"),
    (["analyze", "x.mp4", "--out", "{out}", "--every", "1.5"], "but got '1.5'"),
    (["analyze", "x.mp4", "--out", "{out}", "--fps", "1", "--every", "2"], "not allowed with"),
    (["analyze", "x.mp4", "--out", "{out}", "--format", "json,docx"], "but got 'docx'"),
    (["analyze", "x.mp4", "--out", "{out}", "--format", ""], "but got ''"),
    (["analyze", "x.mp4", "--out", "{out}/file"], "out must be a folder"),
    (["analyse", "x.mp4"], "invalid choice: 'analyse'"),
    ([], "COMMAND"),
]


@pytest.mark.parametrize(("arguments", "part"), BAD, ids=lambda v: " ".join(v)[-40:] if v else "-")
def test_a_bad_argument_is_one_line_and_status_2(
    made: Made,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    part: str,
) -> None:
    (tmp_path / "file").write_text("in the way")
    given = [argument.replace("{out}", str(tmp_path)) for argument in arguments]
    try:
        status: Any = cli.main(given)
    except SystemExit as end:
        status = end.code
    said = capsys.readouterr()
    assert status == 2
    assert said.out == ""
    assert said.err.startswith("error[setting]: ")
    assert said.err.count("\n") == 1
    assert part in said.err
    assert made.asked == []


def test_missing_weights_are_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "nowhere"
    assert analyze("x.mp4", "--out", tmp_path, "--weights", f"{missing}/") == 2
    said = capsys.readouterr().err
    assert re.fullmatch(r"error\[weights-not-found\]: .*nowhere.*\n", said)


def test_weights_are_shown_with_what_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(small.publishable(tmp_path / "mine"))
    assert cli.main(["weights", "--weights", folder]) == 0
    said = capsys.readouterr().out
    assert "\nevaluation   none: the weights came without evaluation.json\n" in said
    weights_writing.record_evaluation(folder, small.evaluation())
    assert cli.main(["weights", "--weights", folder]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "evaluation   made-up numbers" in lines
    start = lines.index("Made fakes by recipe")
    assert lines[start + 1] == small.evaluation().tables[0].note
    place = lines[start + 2].index("AUC")
    assert lines[start + 3][place:].startswith("0.971 (0.960 to 0.980; n 400; chance 0.5)  0.040 (")
    assert lines[start + 4][place:].startswith("not measured (n 3; chance 0.5)")
    assert lines[start + 4].endswith("  not measured")
    assert "  model  13.7" in lines


def test_patterns_that_the_shell_leaves_are_expanded(made: Made, tmp_path: Path) -> None:
    for name in ("untouched.mp4", "in_band.mp4", "[no_face].mp4"):
        (tmp_path / name).touch()
    analyze(tmp_path / "*[hd].mp4", "--out", tmp_path / "out", "--format", "csv")
    assert [Path(path).name for path, _ in made.asked] == ["in_band.mp4", "untouched.mp4"]
    made.asked.clear()
    assert analyzing.expanded([str(tmp_path / "[no_face].mp4")]) == [
        str(tmp_path / "[no_face].mp4")
    ]
    assert analyzing.expanded(["gone*.mp4"]) == ["gone*.mp4"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_bar_is_for_terminals_and_leaves_no_trace(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    analyze("no_face.mp4", "--out", tmp_path, "--format", "json")
    shown = terminal.getvalue()
    assert "no_face.mp4" in shown
    assert "8/32" in shown
    assert shown.split("\r")[-1] == ""


def test_names_that_the_terminal_cannot_show_do_not_end_the_run(made: Made, tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys
        from dfexplain import __main__ as cli
        from dfexplain.commands import analyze
        from tests.test_cli import Made
        analyze.tools = lambda arguments: (Made(), lambda found: found)
        videos = ["\\u65e5/no_face.mp4", "\\u65e5/text.mp4"]
        sys.exit(cli.main(["analyze", *videos, "--out", sys.argv[1]]))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert b"no face found" in done.stdout
    assert b"error[not-a-video]: \\u65e5/text.mp4: " in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT between processes")
def test_ctrl_c_in_a_real_process(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import signal, sys, time
        from dfexplain import __main__ as cli
        from dfexplain.commands import analyze
        from tests.test_cli import Made

        # A runner without a terminal may hand down a SIGINT that is ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        class Slow(Made):
            def analyze(self, path, sampling):
                if "wait" in path:
                    print("waiting", file=sys.stderr, flush=True)
                    time.sleep(60)
                yield from super().analyze(path, sampling)

        analyze.tools = lambda arguments: (Slow(), lambda found: found)
        sys.exit(cli.main(["analyze", "no_face.mp4", "wait.mp4", "--out", sys.argv[1]]))
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert first == "waiting\n"
    assert process.returncode == 130
    assert out.startswith("no_face.mp4: no face found")
    assert err == "interrupted\n"
    assert (tmp_path / "no_face.json").exists()
