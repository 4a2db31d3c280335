"""R1: every file of the corpus ends in a report or in one short line with a code, and soon.

`main()` of the command line meets all files in this process, ten of them go to the command line as
a process of its own, and ten to the running app over HTTP.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from benchmarks.trust.case import Case
from benchmarks.trust.corpus import cases, few, written
from benchmarks.trust.rows import Figure, Row
from dfexplain import __main__ as cli
from dfexplain import errors, hub
from dfexplain.commands import analyze
from dfexplain.detector import Detector
from tests.pages import served

__all__ = ["CODES", "ROWS", "Tally", "by_command", "by_http", "in_process"]

ROOT = Path(__file__).resolve().parents[2]
FRAMES = 8
LONGEST_S = 30.0
LONGEST_LINE = 160
CODES = {kind.code for kind in vars(errors).values() if isinstance(kind, type)}
LINE = re.compile(r"error\[([\w-]+)\]: \S[^\n]*")
SENT = 10


def longest_s() -> float:
    """So long may a file take on this machine now: 30 s, or more where others use it, too."""
    others = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 1.0
    return LONGEST_S * max(1.0, others)


@dataclass
class Tally:
    """What became of the files so far, and everything that must not have happened."""

    files: int = 0
    scored: int = 0
    read: int = 0
    refused: int = 0
    longest_s: float = 0.0
    longest_line: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def end(self, case: Case, took_s: float, report: dict[str, Any] | None, said: str) -> None:
        """Count one file: its report or None, and all that was said of it."""
        self.files += 1
        self.longest_s = max(self.longest_s, took_s)
        name = ascii(case.name[:40])
        if took_s > longest_s():
            self.wrong.append(f"{name} took {took_s:.0f} s")
        if report is None:
            self.refused += 1
            self._line(name, said)
        elif said:
            self.wrong.append(f"{name} was read, and said {said[:80]!a}")
        scored = report is not None and report["score"] is not None
        self.scored += scored
        self.read += report is not None
        came = "scored" if scored else "refused" if report is None else "read"
        fits = {"scored", "read", "refused"} if case.expected == "either" else {case.expected}
        if came not in fits:
            self.wrong.append(f"{name} must be {case.expected}, but was {came}: {said[:120]}")

    def _line(self, name: str, said: str) -> None:
        line = LINE.fullmatch(said.removesuffix("\n"))
        self.longest_line = max(self.longest_line, len(said.rstrip("\n")))
        if line is None or not said.strip("\n").isprintable():
            self.wrong.append(f"{name} gave no line of error: {said[:200]!a}")
        elif line[1] not in CODES or len(line[0]) > LONGEST_LINE:
            self.wrong.append(f"{name}: {len(line[0])} characters, {line[0]!a}")
        else:
            self.codes[line[1]] += 1

    def words(self) -> str:
        """The figures in one line, with the first thing that went wrong."""
        text = (
            f"{self.files} files, {self.scored} scored, {self.read - self.scored} read without a "
            f"score, {self.refused} refused, longest {self.longest_s:.1f} s where "
            f"{longest_s():.0f} s are allowed, longest line {self.longest_line}"
        )
        return text + (f", {len(self.wrong)} WRONG: {self.wrong[0]}" if self.wrong else "")


class _Watch:
    """Keeps the traceback of whatever comes out of a block, as a finding; an interrupt passes."""

    def __init__(self) -> None:
        self.trace = ""

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> bool:
        if kind is None or issubclass(kind, KeyboardInterrupt):
            return False
        self.trace = traceback.format_exc()
        return True


def in_process(these: Iterable[Case], folder: Path, detector: Detector) -> Tally:
    """Each file by `main()`, in this process, with one detector."""
    tally = Tally()
    tools = (detector, lambda found: found)
    with mock.patch.object(analyze, "tools", return_value=tools):
        for number, (case, path) in enumerate(written(folder / "files", these)):
            out, said, begin = folder / f"out{number}", io.StringIO(), time.monotonic()
            asked = ["analyze", str(path), "--out", str(out), "--format", "json"]
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
                status, watch = 1, _Watch()
                with watch:
                    status = cli.main([*asked, "--frames", str(FRAMES)])
            said.write(watch.trace)
            report = _report(out)
            if status != (0 if report else 2):
                tally.wrong.append(f"{case.name[:40]!a} ended with status {status}")
            tally.end(case, time.monotonic() - begin, report, said.getvalue())
    return tally


def _report(out: Path) -> dict[str, Any] | None:
    found = [path for path in out.glob("*.json") if not path.name.endswith(".run.json")]
    # A name that starts with a dot is no match of a pattern.
    found += [p for p in out.glob(".*.json") if not p.name.endswith(".run.json")]
    return json.loads(found[0].read_text("utf-8")) if found else None


def by_command(these: Iterable[Case], folder: Path) -> list[str]:
    """The files as arguments of one process; what went wrong."""
    made = list(written(folder / "files", these))
    asked = ["analyze", *(str(path) for _, path in made), "--out", str(folder / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "dfexplain", *asked, "--format", "json", "--frames", str(FRAMES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=longest_s() * len(made),
        check=False,
    )
    lines, wrong = done.stderr.splitlines(), []
    if done.returncode != 2:
        wrong.append(f"status {done.returncode}")
    wrong += [f"said {line!r}" for line in lines if not LINE.fullmatch(line)]
    wrong += [f"{len(line)} characters" for line in lines if len(line) > LONGEST_LINE]
    if len(lines) + len(done.stdout.splitlines()) != len(made):
        wrong.append(f"{len(lines)} lines of error and {len(done.stdout.splitlines())} of results")
    return wrong


def by_http(these: Iterable[Case], folder: Path) -> list[str]:
    """Each file to `/analyze` of an app that is started for it; what went wrong."""
    wrong = []
    folder.mkdir(parents=True, exist_ok=True)
    with served(["app.py"], folder / "cache") as address:
        program = Client(address, verbose=False)
        for case, path in written(folder / "files", these):
            begin = time.monotonic()
            job = program.submit(handle_file(str(path)), frames=FRAMES, api_name="/analyze")
            try:
                answer = job.result(timeout=2 * longest_s())
                came = "scored" if answer["score"] is not None else "read"
            except AppError as error:
                came, text = "refused", str(error)
                if not LINE.fullmatch(text) or len(text) > LONGEST_LINE:
                    wrong.append(f"{case.name!r}: {text!r}")
            if case.expected not in (came, "either"):
                wrong.append(f"{case.name!r} must be {case.expected}, but was {came}")
            if time.monotonic() - begin > longest_s():
                wrong.append(f"{case.name!r} took too long")
    return wrong


def _portable(these: Iterable[Case]) -> Iterator[Case]:
    """The files that can be uploaded: regular ones that are there, under names of one line."""
    odd = {"folder", "missing", "dangling", "loop", "link_to_folder", "link_to_device", "fifo"}
    for case in these:
        if Path(case.name).stem not in odd | {"socket"} and case.name.isprintable():
            yield case


def measure(full: bool) -> Figure:
    """The short form takes 40 files in this process; the full one all, and ten each way."""
    detector = Detector(hub.load(None))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tally = in_process(cases() if full else few(40, 5), folder, detector)
        text, held = tally.words(), not tally.wrong
        ways = (("command", by_command), ("HTTP", by_http)) if full else ()
        for way, send in ways:
            sent = few(SENT, 3, _portable(cases()))
            wrong = send(sent, folder / way)
            text += f"; by {way} {len(sent)} files, {len(wrong)} wrong {wrong[:1] or ''}"
            held = held and not wrong
    return Figure(text.rstrip(), held)


ROWS = (
    Row(
        "R1",
        "bad input ends in a report or one line",
        "0 crashes, 0 hangs over 30 s, 0 tracebacks; lines of at most 160 characters with a code",
        measure,
    ),
)
