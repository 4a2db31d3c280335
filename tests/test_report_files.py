"""Where reports are written: names, collisions, foreign files and failing disks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfexplain import report
from dfexplain.errors import SettingError
from tests.reports import REPORTS, renamed


def test_a_report_is_written_under_its_stem(tmp_path: Path) -> None:
    made = REPORTS["two_faces"]()
    paths = report.write(made, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [
        "two people.json",
        "two people.frames.csv",
        "two people.html",
        "videos.csv",
        "two people.run.json",
    ]
    assert sorted(p.name for p in paths) == sorted(p.name for p in paths[0].parent.iterdir())
    assert paths[0].read_bytes() == report.to_json(made).encode("utf-8")
    assert paths[1].read_bytes().count(b"\r\n") == 1 + sum(len(lane) for lane in made.lanes)
    assert b"\r\r" not in paths[3].read_bytes()


def test_only_what_was_asked_for_is_written(tmp_path: Path) -> None:
    report.write(REPORTS["no_face"](), tmp_path, ["json"])
    assert {p.name for p in tmp_path.iterdir()} == {"landscape.json", "landscape.run.json"}
    with pytest.raises(
        SettingError, match=r"format must be one or more of json, csv, html, .*, but got 'docx'"
    ):
        report.write(REPORTS["no_face"](), tmp_path, ["json", "docx"])
    with pytest.raises(SettingError, match="but got none"):
        report.write(REPORTS["no_face"](), tmp_path, [])


@pytest.mark.parametrize("formats", [["json"], ["csv"], ["html"], ["edl"]])
def test_two_videos_of_one_name_do_not_meet(tmp_path: Path, formats: list[str]) -> None:
    one = renamed(REPORTS["no_face"](), "clip.mp4", "1" * 64)
    two = renamed(REPORTS["no_face"](), "clip.mp4", "2" * 64)
    other_ending = renamed(REPORTS["no_face"](), "clip.mov", "1" * 64)
    first = report.write(one, tmp_path, formats)[0]
    second = report.write(two, tmp_path, formats)[0]
    third = report.write(other_ending, tmp_path, formats)[0]
    assert [p.name.split(".")[0] for p in (first, second, third)] == [
        "clip",
        "clip-22222222",
        "clip-11111111",
    ]
    # A second round over the same files finds the same names and leaves no others behind.
    before = sorted(p.name for p in tmp_path.iterdir())
    assert report.write(two, tmp_path, formats)[0] == second
    assert report.write(one, tmp_path, formats)[0] == first
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_foreign_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "clip.json").write_text("mine")
    made = renamed(REPORTS["no_face"](), "clip.mp4")
    path = report.write(made, tmp_path, ["json"])[0]
    assert path.name == f"clip-{made.info.sha256[:8]}.json"
    assert (tmp_path / "clip.json").read_text() == "mine"
    (tmp_path / "videos.csv").write_text("my,own\n1,2\n")
    with pytest.raises(SettingError, match=r"videos\.csv must be a table of dfexplain"):
        report.write(made, tmp_path, ["csv"])
    assert (tmp_path / "videos.csv").read_text() == "my,own\n1,2\n"


def test_a_video_named_like_a_run_does_not_take_its_place(tmp_path: Path) -> None:
    report.write(renamed(REPORTS["no_face"](), "clip.mp4"), tmp_path, ["json"])
    run = (tmp_path / "clip.run.json").read_bytes()
    path = report.write(renamed(REPORTS["untouched"](), "clip.run.mp4"), tmp_path, ["json"])[0]
    assert path.name.startswith("clip.run-")
    assert (tmp_path / "clip.run.json").read_bytes() == run


@pytest.mark.parametrize(
    ("file", "stem"),
    [
        ("clip.mp4", "clip"),
        ("Straße 日本.mp4", "Straße 日本"),
        ("a.b.mp4", "a.b"),
        ("..mp4", "video"),
        (".mp4", "mp4"),
        ("a\x00b\nc\x1b.mp4", "a_b_c_"),
        ("a\\b:c*d.mp4", "a_b_c_d"),
        ("\u202egpj.mp4", "_gpj"),
        ("bad\udcff.mp4", "bad_"),
        ("con.mp4", "_con"),
        ("  .mp4", "video"),
        ("é" * 300 + ".mp4", "é" * 100),
    ],
)
def test_stems_are_names_that_every_system_takes(file: str, stem: str, tmp_path: Path) -> None:
    assert report.safe_stem(file) == stem
    made = renamed(REPORTS["no_face"](), file)
    paths = report.write(made, tmp_path, ["json"])
    assert paths[0].parent == tmp_path
    assert json.loads(paths[0].read_text("utf-8"))["schema_version"] == 1


def test_a_writer_that_fails_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = REPORTS["no_face"]()
    path = report.write(made, tmp_path, ["json"])[0]
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dfexplain.report.files.os.replace", full)
    with pytest.raises(SettingError, match="No space left on device"):
        report.write(made, tmp_path, ["json"])
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert path.name in before


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingError, match="out must be a folder") as caught:
        report.write(REPORTS["no_face"](), tmp_path / "file")
    assert "\n" not in str(caught.value)
