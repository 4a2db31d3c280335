"""Past analyses, notes and readings: what is kept, for whom, and what goes."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dfexplain import history
from dfexplain.errors import HistoryUnavailable, SettingError
from dfexplain.history import History
from dfexplain.report import document, review_words, words
from dfexplain.structures import Answer, VideoReport
from tests.reports import REPORTS
from tests.sources import ROOT


@pytest.fixture
def store(tmp_path: Path) -> History:
    return History(tmp_path / "data" / "history.sqlite")


def other(number: int) -> VideoReport:
    """A report of another video."""
    made = REPORTS["untouched"]()
    return replace(made, info=replace(made.info, sha256=f"{number:064x}", file=f"{number}.mp4"))


@pytest.mark.parametrize("name", list(REPORTS))
def test_what_is_kept_says_what_the_report_says(store: History, name: str) -> None:
    report = REPORTS[name]()
    kept = store.get(store.add(report))
    past = kept.past
    assert kept.document == document.to_json(report)
    assert store.list() == (past,)
    assert (past.file, past.sha256) == (document.file_name(report), report.info.sha256)
    assert past.weights_sha256 == report.weights.sha256
    for field in ("outcome", "reason", "score", "p_fake"):
        assert getattr(past.verdict, field) == getattr(report.verdict, field)
    assert words.number_of(past.verdict, past.band) == words.number(report)
    assert past.spans == words.spans(report.segments)
    assert not past.has_bundle
    assert past.because == words.explanation(report)
    assert past.coverage == words.coverage(report.coverage)
    assert kept.read == json.loads(kept.document)


def test_newest_first_bounded_and_what_people_wrote_on_stays(tmp_path: Path) -> None:
    store = History(tmp_path / "h.sqlite", most=3)
    store.add(other(0))
    store.add_note(other(0).info.sha256, "look again")
    for number in range(1, 6):
        store.add(other(number))
    assert [past.file for past in store.list()] == ["5.mp4", "4.mp4", "3.mp4", "0.mp4"]


def test_the_file_is_its_owners_alone(store: History) -> None:
    store.add(other(1))
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    store.path.chmod(0o644)
    store.list()
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert [path.name for path in store.path.parent.iterdir()] == [store.path.name]


def test_what_is_deleted_is_gone_from_the_disk(store: History) -> None:
    first, second = store.add(other(1)), store.add(REPORTS["two_faces"]())
    sha256 = other(1).info.sha256
    store.add_note(sha256, "a word that stands nowhere else")
    store.add_reading(sha256, "reader", Answer.FAKE, 3)
    assert b"nowhere else" in store.path.read_bytes()
    again = store.add(other(1))
    store.delete(first)
    assert len(store.notes(sha256)) == len(store.readings(sha256)) == 1
    store.delete(again)
    assert store.notes(sha256) == ()
    assert store.readings(sha256) == ()
    for trace in (b"nowhere else", sha256.encode()):
        assert trace not in store.path.read_bytes()
    with pytest.raises(SettingError, match="id must be"):
        store.delete(first)
    with pytest.raises(SettingError, match="id must be"):
        store.get(first)
    assert store.delete_all() == 1
    assert store.list() == ()
    assert b"two people" not in store.path.read_bytes()
    assert store.add(other(1)) > second  # no number is given twice


def test_a_bundle_is_kept_where_it_is_handed_in(store: History) -> None:
    number = store.add(other(1), b"zip")
    assert store.list()[0].has_bundle
    assert store.bundle(number) == b"zip"
    assert store.bundle(store.add(other(2))) is None


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 99, b"SQLite format 3\0" + b"\7" * 4096]
)
def test_a_damaged_file_is_one_line_with_a_code_and_is_left_as_it_is(
    store: History, content: bytes
) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(content)
    for call in (store.list, lambda: store.add(other(1)), store.delete_all):
        with pytest.raises(HistoryUnavailable, match="history must be") as found:
            call()
        assert found.value.code == "history"
        assert "\n" not in str(found.value)
    assert store.path.read_bytes() == content


def test_damage_inside_is_told_as_well(store: History) -> None:
    number = store.add(other(1))
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE analysis SET document = '[]'")
    db.close()
    assert len(store.list()) == 1
    with pytest.raises(HistoryUnavailable, match="none of a report"):
        store.get(number)
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE analysis SET verdict = 'proven'")
    db.close()
    with pytest.raises(HistoryUnavailable, match="proven"):
        store.list()


@pytest.mark.parametrize(
    ("change", "said"),
    [("PRAGMA user_version = 9", "schema is 9"), ("PRAGMA application_id = 7", "another program")],
)
def test_a_file_of_somebody_else_is_not_written_to(store: History, change: str, said: str) -> None:
    store.add(other(1))
    db = sqlite3.connect(store.path)
    db.execute(change)
    db.close()
    with pytest.raises(HistoryUnavailable, match=said):
        store.add(other(2))


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "h.sqlite"):
        with pytest.raises(HistoryUnavailable):
            History(path).list()


TWO = """
import sys
from pathlib import Path
from dfexplain.history_file import HistoryFile
file = HistoryFile(Path(sys.argv[1]), "")
print("ready", flush=True)
sys.stdin.read(1)
for number in range(30):
    with file.writing() as db:
        db.execute("INSERT INTO note VALUES (NULL, 'x', 'x', NULL, 'x')")
"""


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    run = [sys.executable, "-c", TWO, str(path)]
    pipe = subprocess.PIPE
    both = [
        subprocess.Popen(run, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    # Both begin with no file there, so they also make it at once.
    assert not path.exists()
    for process in both:
        assert process.stdin is not None
        process.stdin.write("g")
        process.stdin.flush()
    ends = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert len(History(path).notes("x")) == 60


def test_notes_and_readings(store: History) -> None:
    sha256 = other(1).info.sha256
    with pytest.raises(SettingError, match="Analyse it first"):
        store.add_note(sha256, "x")
    store.add(other(1))
    assert store.notes_document(sha256) is None
    store.add_note(sha256, "late", 3.5)
    store.add_note(sha256, " early\nsecond line ", 1.25)
    store.add_note(sha256, "all of it")
    assert [n.text for n in store.notes(sha256)] == ["all of it", "early\nsecond line", "late"]
    one = store.add_reading(sha256, " ab ", Answer.CANNOT_TELL, 2, "blurred", blind=True)
    assert one.blind
    # Once committed, the verdict was shown: the same reader is not blind again.
    assert not store.add_reading(sha256, "ab", Answer.FAKE, 5, blind=True).blind
    assert store.add_reading(sha256, "cd", Answer.FAKE, 5, blind=True).blind
    found = store.notes_document(sha256)
    assert found is not None
    assert json.loads(json.dumps(found)) == found
    assert [n["time_s"] for n in found["notes"]] == [None, 1.25, 3.5]
    assert [(r["reader"], r["answer"], r["blind"]) for r in found["readings"]] == [
        ("ab", "cannot_tell", True), ("ab", "fake", False), ("cd", "fake", True)
    ]  # fmt: skip
    assert found["sha256"] == sha256
    assert "at 0:03.5: late" in review_words.note(store.notes(sha256)[2])
    assert review_words.reading(one).endswith("ab: cannot tell, confidence 2 of 5, blind: blurred")


def test_a_reading_cannot_be_changed(store: History) -> None:
    store.add(other(1))
    store.add_reading(other(1).info.sha256, "ab", Answer.REAL, 5)
    db = sqlite3.connect(store.path)
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        db.execute("UPDATE reading SET answer = 'fake'")
    db.close()


@pytest.mark.parametrize(
    ("reader", "confidence", "note"),
    [("", 3, ""), ("x" * 61, 3, ""), ("x", 0, ""), ("x", 6, ""), ("x", 3, "y" * 4001)],
)
def test_a_reading_out_of_range_is_refused(
    store: History, reader: str, confidence: int, note: str
) -> None:
    store.add(other(1))
    with pytest.raises(SettingError, match="must be"):
        store.add_reading(other(1).info.sha256, reader, Answer.REAL, confidence, note)
    for text, time_s in (("  ", None), ("x", -1.0), ("x", float("nan"))):
        with pytest.raises(SettingError, match="must be"):
            store.add_note(other(1).info.sha256, text, time_s)
    assert store.readings() == ()


def test_where_it_lies_and_when_it_is_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.delenv(history.VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))

    def path() -> Path | None:
        found = history.default()
        return None if found is None else found.path

    assert path() == tmp_path / "xdg/dfexplain/history.sqlite"
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    for system, folder in (
        ("linux", ".local/share"),
        ("darwin", "Library/Application Support"),
        ("win32", "AppData/Local"),
    ):
        monkeypatch.delenv("LOCALAPPDATA", raising=False)
        monkeypatch.setattr(sys, "platform", system)
        assert path() == tmp_path / folder / "dfexplain/history.sqlite"
    monkeypatch.setenv(history.VARIABLE, str(tmp_path / "mine.sqlite"))
    assert path() == tmp_path / "mine.sqlite"
    monkeypatch.setenv("SPACE_ID", "org/space")
    assert path() is None
    monkeypatch.delenv("SPACE_ID")
    monkeypatch.setenv(history.VARIABLE, " OFF ")
    assert path() is None
    assert not list(tmp_path.iterdir())


def test_tests_keep_nothing_in_the_home_folder() -> None:
    assert os.environ[history.VARIABLE] == "off"
    assert history.default() is None
