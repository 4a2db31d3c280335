"""The desk's downloads: the files of the command line, one at a time, and what is said of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import gradio as gr
import pytest

from dfexplain import report as reports
from dfexplain.errors import InputChanged, SettingError
from dfexplain.structures import Progress
from dfexplain.ui import desk, downloading, downloads, words
from dfexplain.ui.downloading import WRITTEN, made
from tests.pages import Drawn, drawn_weights, in_loop, write_clip
from tests.report_changes import as_picture
from tests.reports import REPORTS

CLIP = Path("two_faces.mp4")


@pytest.mark.parametrize("kind", [kind for kind in WRITTEN if kind not in downloading.EXPLAINED])
def test_a_file_is_that_of_the_command_line(kind: str, tmp_path: Path) -> None:
    report = REPORTS["two_faces"]()
    (tmp_path / "desk").mkdir()
    services = Drawn().services()
    *_, path = made(kind, report, CLIP, drawn_weights(), services, tmp_path / "desk")
    form, place = WRITTEN[kind]
    wanted = reports.write(report, tmp_path / "command", (form,))[place]
    assert isinstance(path, Path)
    assert (path.name, path.read_bytes()) == (wanted.name, wanted.read_bytes())


def test_a_page_says_why_and_how_far_it_is(tmp_path: Path) -> None:
    report = REPORTS["two_faces"]()
    # One span has three frames to ask about, which is enough.
    report = dataclasses.replace(report, segments=report.segments[:1])
    *steps, path = made("html", report, CLIP, drawn_weights(), Drawn().services(), tmp_path)
    counted = [step for step in steps if isinstance(step, Progress) and step.total > 1]
    assert [step.done for step in counted] == list(range(counted[0].total))
    assert words.making("x", counted[1], 2.0) == (
        f"x, asking why: 1 of {counted[0].total}, 0:02.0 so far"
    )
    assert isinstance(path, Path)
    assert "when the" in path.read_text("utf-8")
    # Other weights than those of the report cannot say why.
    (tmp_path / "plain").mkdir()
    none = made("html", report, CLIP, None, Drawn().services(), tmp_path / "plain")
    assert not [step for step in none if isinstance(step, Progress) and step.total > 1]


def test_a_file_that_is_not_the_one_analysed_gives_no_copy(tmp_path: Path) -> None:
    report = REPORTS["two_faces"]()
    write_clip(report, tmp_path / "two_faces.mp4")
    asked = (report, tmp_path / "two_faces.mp4")
    for kind in ("annotated", "bundle"):
        with pytest.raises(InputChanged):
            list(made(kind, *asked, drawn_weights(), Drawn().services(), tmp_path))
    with pytest.raises(SettingError, match="none are loaded"):
        list(made("bundle", *asked, None, Drawn().services(), tmp_path))


def test_what_can_be_downloaded_hangs_on_what_is_open() -> None:
    def make() -> desk.Desk:
        with gr.Blocks(analytics_enabled=False), gr.Tabs():
            return desk.desk([], 60)

    to = in_loop(make).downloads

    def offered(update: downloads.Update) -> set[str]:
        return {kind for kind, one in to.buttons.items() if update[one].interactive}  # type: ignore[attr-defined]

    video, kinds = REPORTS["two_faces"](), set(words.DOWNLOADS)
    assert offered(downloads.ready(to, video)) == kinds
    picture = as_picture(REPORTS["uncalibrated"]())
    timed = {"vtt", "srt", "edl", "annotated"}
    assert offered(downloads.ready(to, picture)) == kinds - timed
    assert offered(downloads.nothing(to)) == set()
    assert [words.size(n) for n in (435, 906_087, 1_200_000)] == ["0.4 kB", "906.1 kB", "1.2 MB"]
