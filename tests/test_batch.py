"""Many files, without a model: which files, what the tables say, and who may work in a folder."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dfexplain import __main__ as cli
from dfexplain import report
from dfexplain.batch import runs
from dfexplain.batch.folder import RunFolder, formats_of
from dfexplain.batch.messages import Done, Failed, Lost, Ready, Step, Task
from dfexplain.batch.walk import digest, files_of
from dfexplain.commands import batch as command
from dfexplain.errors import FileRefused, SettingError
from dfexplain.report import index, rows, table
from dfexplain.structures import Sampling
from tests.reports import REPORTS

CASES = sorted(REPORTS)


# --- which files


def test_a_folder_gives_its_videos_in_order_and_follows_no_link(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("b.mp4", "a/2.MOV", "a/1.jpg", "a-b.mp4", "notes.txt", "é\n.webm"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "out.mp4").write_bytes(b"x")
    (source / "link.mp4").symlink_to(elsewhere / "out.mp4")
    (source / "folder").symlink_to(elsewhere)
    os.mkfifo(source / "pipe.mp4")
    (source / "dir.mp4").mkdir()
    found = [os.path.relpath(path, source) for path in files_of(source)]
    assert found == ["a/1.jpg", "a/2.MOV", "a-b.mp4", "b.mp4", "é\n.webm"]


def test_a_list_gives_its_lines_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(
        b"\xef\xbb\xbfz.mp4\r\n\n  a b.bin \n#1.mp4\nz.mp4\nbad\xff.mp4"
    )
    assert files_of(tmp_path / "list") == ["z.mp4", "a b.bin", "#1.mp4", "bad\udcff.mp4"]


@pytest.mark.parametrize("content", [None, b"", b"\n\n", b"\0\0\0\x20ftypisom"])
def test_what_names_no_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    with pytest.raises(SettingError):
        files_of(tmp_path / "x")
    with pytest.raises(SettingError):
        files_of(tmp_path / "x" if content is None else _empty(tmp_path))


def _empty(folder: Path) -> Path:
    (folder / "empty").mkdir(exist_ok=True)
    return folder / "empty"


def test_a_digest_is_that_of_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * (3 << 20))
    beats: list[int] = []
    found = digest(str(tmp_path / "a"), lambda: beats.append(1))
    assert found == hashlib.sha256(b"x" * (3 << 20)).hexdigest()
    assert len(beats) == 3
    for bad in (tmp_path, tmp_path / "none", "http://127.0.0.1/a.mp4"):
        with pytest.raises(FileRefused):
            digest(str(bad))


# --- what the tables say


@pytest.mark.parametrize("case", CASES)
def test_a_row_says_what_the_report_says(case: str) -> None:
    made = REPORTS[case]()
    row = rows.of_report("some/where.mp4", json.loads(report.to_json(made)), "stem")
    values = row.values()
    own = dict(zip(table.VIDEO_COLUMNS, table.video_row(made, "stem"), strict=True))
    assert {name: table.cell(values[name]) for name in table.VIDEO_COLUMNS} == own
    assert row.verdict == report.words.headline(made.verdict).lower()
    assert row.spans == report.words.spans(made.segments)
    assert row.line().count("\n") == 1
    line = json.loads(row.line())
    assert line["p_fake"] is None or line["p_fake"] == float(own["p_fake"])


def test_a_name_is_no_formula_no_markup_and_no_break() -> None:
    evil = '=HYPERLINK("x")<script>\n\udcff.mp4'
    failed = rows.of_error(evil, "not-a-video", "<b>no</b> frame")
    good = rows.of_report(evil, json.loads(report.to_json(REPORTS["two_faces"]())), "a b#1%")
    text = rows.to_csv([failed, good])
    read = list(csv.DictReader(text.splitlines()))
    assert [row["path"][:2] for row in read] == ["'=", "'="]
    assert tuple(read[0]) == rows.COLUMNS
    assert json.loads(failed.line())["path"] == '=HYPERLINK("x")<script>\n?.mp4'
    page = index.to_index([failed, good], total=3, linked={"a b#1%"})
    assert "<script" not in page
    assert "<b>" not in page
    assert 'href="reports/a%20b%231%25.html"' in page
    assert "not-a-video" in page
    assert "1 to go" in page
    assert "href" not in index.to_index([failed, good], total=2, linked=set())
    page.encode("utf-8")


def test_the_table_fits_the_terminal() -> None:
    many = [
        rows.of_report("x" * 90 + ".mp4", json.loads(report.to_json(REPORTS[case]())), "s")
        for case in CASES
    ]
    many.append(rows.of_error("a.mp4", "not-a-video", "long " * 40))
    lines = list(command.table(many, 80))
    assert len(lines) == len(many) + 1
    assert max(map(len, lines)) <= 80
    assert "likely manipulated" in "\n".join(lines)
    assert command.summed(many, len(many) + 2).endswith("2 with the bytes of another")


# --- a folder


def test_a_folder_is_new_or_resumed_with_the_same_settings(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", resume=False)
    with folder.locked():
        folder.settle({"weights": "a", "formats": ["json"]})
        folder.settle({"weights": "a", "formats": ["json"]})
        with pytest.raises(SettingError, match="weights 'b', before 'a'"):
            folder.settle({"weights": "b", "formats": ["json"]})
        with pytest.raises(SettingError, match="one works"), folder.locked():
            pass
    with folder.locked():
        pass
    (folder.path / "store.sqlite").touch()
    with pytest.raises(SettingError, match="--resume"):
        RunFolder(tmp_path / "run", resume=False)
    RunFolder(tmp_path / "run", resume=True)
    assert formats_of("html,json,html") == ("json", "html")
    with pytest.raises(SettingError):
        formats_of("json,doc")


# --- the work, with processes that are made up


class MadePool:
    """Two places that answer at once, by the name of the file."""

    lost = 0
    weights = Ready("made", "local", "a" * 64)

    def __init__(self, *_: Any) -> None:
        self.tasks: list[Task] = []
        self.given: list[str] = []

    def __enter__(self) -> MadePool:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def idle(self) -> bool:
        return len(self.tasks) < 2

    def give(self, task: Task) -> None:
        assert self.idle
        self.tasks.append(task)
        self.given.append(Path(task.path).name)

    def events(self, _: float) -> list[Done | Failed | Lost | Step]:
        tasks, self.tasks = self.tasks, []
        return [self._answer(task) for task in reversed(tasks)]

    def _answer(self, task: Task) -> Done | Failed | Lost:
        name = Path(task.path).name
        if name.startswith("bad"):
            return Failed(task.id, "not-a-video", "no frame.")
        if name.startswith("kill") or (name.startswith("once") and self.given.count(name) == 1):
            return Lost(task.id, -9)
        document = json.loads(report.to_json(REPORTS["two_faces"]()))
        sha256 = digest(task.path)
        Path(task.out, f"{task.stem}.html").write_text("page")
        return Done(task.id, json.dumps(document | {"sha256": sha256, "file": name}))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "Pool", MadePool)
    monkeypatch.setattr(runs, "AGAIN_S", 0.05)
    # Not the seconds that pass until a lost job is due again.
    monkeypatch.setattr("dfexplain.batch.store._AGAIN_S", 0.01)


def asked(source: Path) -> runs.Asked:
    return runs.Asked(tuple(files_of(source)), None, Sampling(), ("json", "html"), 2)


@pytest.mark.usefixtures("quick")
def test_every_file_is_one_row_whatever_becomes_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a.mp4", "bad.mp4", "kill.mp4", "once.mp4", "z.mp4"):
        (source / name).write_bytes(name.encode())
    (source / "copy of a.mp4").write_bytes(b"a.mp4")
    (source / "none.mp4").write_bytes(b"")
    out = tmp_path / "run"
    assert cli.main(["batch", str(source), "--out", str(out)]) == 1
    said = capsys.readouterr()
    read = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [(Path(row["path"]).name, row["state"], row["code"]) for row in read] == [
        ("a.mp4", "done", None),
        ("bad.mp4", "failed", "not-a-video"),
        ("kill.mp4", "failed", "worker-lost"),
        ("none.mp4", "failed", "file-refused"),
        ("once.mp4", "done", None),
        ("z.mp4", "done", None),
    ]
    assert [Path(path).name for path in read[0]["also"]] == ["copy of a.mp4"]
    assert said.err.count("error[") == 3
    assert "7 files: 3 likely manipulated, 3 failed, 1 with the bytes of another" in said.out
    page = (out / "index.html").read_text()
    assert page.count("<a href") == 3
    for link in (row["report"] for row in read if row["report"]):
        assert (out / "reports" / f"{link}.html").exists()

    # Again: nothing is done twice, and the failed are kept until --retry.
    assert cli.main(["batch", str(source), "--out", str(out)]) == 2
    before = (out / "results.jsonl").read_text()
    (source / "bad.mp4").rename(source / "bad name.mp4")
    (source / "bad name.mp4").rename(source / "bad.mp4")
    assert cli.main(["batch", str(source), "--out", str(out), "--resume"]) == 1
    assert (out / "results.jsonl").read_text() == before
    assert cli.main(["batch", str(source), "--out", str(out), "--resume", "--frames", "5"]) == 2
    assert "sampling" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_half_a_run_is_in_its_lines_and_the_rest_follows(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(6):
        (source / f"{number}.mp4").write_bytes(bytes([number]))
    folder = RunFolder(tmp_path / "run", resume=False)
    steps = runs.Batch(folder, asked(source)).run()
    over = 0
    while over < 2:
        over += next(steps)
    steps.close()
    lines = folder.path / "results.jsonl"
    assert len(lines.read_text().splitlines()) == over == 2
    assert "4 to go" in (folder.path / "index.html").read_text()
    with sqlite3.connect(folder.path / "store.sqlite") as db:
        waiting = db.execute("SELECT state, tries FROM jobs WHERE state != 'done'").fetchall()
    # An interrupt is no try that a file has had.
    assert set(waiting) <= {("queued", 0)}
    lines.write_text(lines.read_text()[:-30])

    batch = runs.Batch(RunFolder(folder.path, resume=True), asked(source))
    assert sum(batch.run()) == 6
    assert [Path(row.path).name for row in batch.gathered.rows()] == [
        f"{number}.mp4" for number in range(6)
    ]
    assert len(lines.read_text().splitlines()) == 6
