"""Marker files: read back by small readers of the formats, and compared with the report's spans."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from dfexplain import report
from dfexplain.report.markers import to_edl, to_srt, to_vtt
from dfexplain.structures import Lane, Outcome, Segment, VideoReport
from tests.reports import REPORTS, renamed

Cue = tuple[float, float, str]
STAMP = r"(\d\d):([0-5]\d):([0-5]\d)%s(\d{3})"
EVENT = re.compile(
    r"(\d{3})  AX       V     C        "
    r"(\d\d:\d\d:\d\d:\d\d) (\d\d:\d\d:\d\d:\d\d) (\d\d:\d\d:\d\d:\d\d) (\d\d:\d\d:\d\d:\d\d)"
)


def timing(line: str, mark: str) -> tuple[float, float]:
    """The two times of a cue in seconds."""
    stamp = STAMP % re.escape(mark)
    found = re.fullmatch(f"{stamp} --> {stamp}", line)
    assert found, line
    numbers = [int(text) for text in found.groups()]
    first, last = (h * 3600 + m * 60 + s + ms / 1000 for h, m, s, ms in (numbers[:4], numbers[4:]))
    assert first < last
    return first, last


def read_vtt(text: str) -> list[Cue]:
    """Cues of a WebVTT file: a head, blocks between blank lines, no arrow where none belongs."""
    head, *blocks = text.rstrip("\n").split("\n\n")
    assert head == "WEBVTT"
    cues: list[Cue] = []
    for block in blocks:
        if block.startswith("NOTE"):
            assert not cues
            assert "-->" not in block
            continue
        number, times, payload = block.split("\n")
        assert int(number) == len(cues) + 1
        assert not re.search("-->|[<&]", payload)
        cues.append((*timing(times, "."), payload))
    return cues


def read_srt(text: str) -> list[Cue]:
    """Cues of a SubRip file: number, times, text, blank line, CRLF throughout."""
    assert text.count("\n") == text.count("\r\n")
    blocks = [block for block in text.split("\r\n\r\n") if block]
    cues: list[Cue] = []
    for block in blocks:
        number, times, payload = block.split("\r\n")
        assert int(number) == len(cues) + 1
        cues.append((*timing(times, ","), payload))
    return cues


def frame_of(timecode: str, base: int) -> int:
    hours, minutes, seconds, frames = (int(part) for part in timecode.split(":"))
    assert frames < base
    return ((hours * 60 + minutes) * 60 + seconds) * base + frames


def read_edl(text: str, base: int) -> list[tuple[int, int, list[str]]]:
    """Events of a CMX3600 list as (first frame, frame after the last, comments below)."""
    assert text.count("\n") == text.count("\r\n")
    title, mode, *rest = text.split("\r\n")
    assert title.startswith("TITLE: ")
    assert len(title) <= 7 + 70
    assert mode == "FCM: NON-DROP FRAME"
    events: list[tuple[int, int, list[str]]] = []
    for line in filter(None, rest):
        if found := EVENT.fullmatch(line):
            number, *codes = found.groups()
            assert int(number) == len(events) + 1
            assert codes[:2] == codes[2:]
            first, end = (frame_of(code, base) for code in codes[:2])
            assert first < end
            assert not events or events[-1][1] <= first
            events.append((first, end, []))
        else:
            assert line.startswith("* ")
            events[-1][2].append(line)
    return events


def with_fps(made: VideoReport, fps: float | None) -> VideoReport:
    return dataclasses.replace(made, info=dataclasses.replace(made.info, fps=fps))


@pytest.mark.parametrize("case", sorted(REPORTS))
def test_cues_are_the_flagged_spans(case: str) -> None:
    made = REPORTS[case]()
    cues = read_vtt(to_vtt(made))
    assert cues == read_srt(to_srt(made))
    assert len(cues) == len(made.segments)
    for (start, end, text), span in zip(cues, made.segments, strict=True):
        assert start == pytest.approx(span.start_s, abs=0.0006)
        assert end == pytest.approx(span.end_s, abs=0.0006)
        assert text.startswith(f"face {span.track_id}: ")
        if span.peak_p_fake is not None:
            assert f"p {span.peak_p_fake:.2f} (cannot tell between 0.33 and 0.62)" in text
    assert made.info.sha256 in to_vtt(made)
    assert made.weights.sha256 in to_vtt(made)


@pytest.mark.parametrize("case", ["no_face", "untouched", "in_band", "out_of_distribution"])
def test_without_spans_the_files_are_valid_and_empty(case: str) -> None:
    """Nobody can tell of two of these videos, which flags no span."""
    made = REPORTS[case]()
    assert made.segments == ()
    assert read_vtt(to_vtt(made)) == []
    assert to_srt(made) == ""
    assert read_edl(to_edl(made), 25) == []
    assert "25 FPS" in to_edl(made)


def test_a_span_of_a_video_that_is_not_fake_says_so() -> None:
    made = REPORTS["two_faces"]()
    verdict = dataclasses.replace(made.verdict, outcome=Outcome.UNCERTAIN)
    cues = read_vtt(to_vtt(dataclasses.replace(made, verdict=verdict)))
    assert all("stands out, but the verdict is: cannot tell" in text for _, _, text in cues)
    assert all(": flagged, " in text for _, _, text in read_vtt(to_vtt(made)))
    withdrawn = dataclasses.replace(made, verdict=dataclasses.replace(verdict, p_fake=None))
    assert all("no probability" in text for _, _, text in read_vtt(to_vtt(withdrawn)))


@pytest.mark.parametrize(
    ("fps", "base", "says"),
    [
        (25.0, 25, "timecode: 25 fps, non-drop"),
        (30000 / 1001, 30, "29.970 fps on average, which is no integer"),
        (59.94, 60, "60 to a second"),
        (None, 25, "frame rate of the file is not known: counted at 25 fps"),
        (240.0, 25, "of 240.000 has no timecode: counted at 25 fps"),
    ],
)
def test_events_count_frames_and_say_how(fps: float | None, base: int, says: str) -> None:
    made = with_fps(REPORTS["two_faces"](), fps)
    text = to_edl(made)
    events = read_edl(text, base)
    rate = fps if fps and round(fps) == base else base
    for (first, end, comments), span in zip(events, made.segments, strict=True):
        assert first / rate == pytest.approx(span.start_s, abs=0.5 / rate)
        assert (end - 1) / rate == pytest.approx(span.end_s, abs=0.5 / rate)
        assert "* FROM CLIP NAME: two people.mp4" in comments
        assert any(line.startswith(f"* COMMENT: face {span.track_id}: ") for line in comments)
    assert says in text
    assert f"* COMMENT: sha256 of the file: {made.info.sha256}" in events[0][2]


def test_events_of_faces_that_meet_share_no_frame() -> None:
    made = REPORTS["crowd"]()
    spans = [
        Segment(name, a, b, 3.0, 0.9) for name, a, b in (("B", 1, 4), ("C", 2, 3), ("D", 5, 6))
    ]
    events = read_edl(to_edl(dataclasses.replace(made, segments=tuple(spans))), 25)
    named = [re.findall(r"face (\w)", comments[1]) for _, _, comments in events]
    assert named == [["B"], ["B", "C"], ["B"], ["D"]]
    seen: dict[str, set[int]] = {}
    for (first, end, _), names in zip(events, named, strict=True):
        for name in names:
            seen.setdefault(name, set()).update(range(first, end))
    assert seen == {
        span.track_id: set(range(round(25 * span.start_s), round(25 * span.end_s) + 1))
        for span in spans
    }


def test_hostile_names_break_no_line() -> None:
    made = renamed(REPORTS["two_faces"](), "a\r\n001 --> 2\n\n<v x>&日本\u202e.mp4")
    assert read_vtt(to_vtt(made)) == read_vtt(to_vtt(REPORTS["two_faces"]()))
    assert read_srt(to_srt(made)) == read_srt(to_srt(REPORTS["two_faces"]()))
    assert len(read_edl(to_edl(made), 25)) == len(made.segments)


def test_long_videos_have_hours() -> None:
    made = REPORTS["two_faces"]()
    lane: Lane = made.lanes[0]
    span = Segment(lane.track_id, 3725.5, 36000.25, 3.0, 0.9)
    late = dataclasses.replace(made, segments=(span,))
    assert "01:02:05.500 --> 10:00:00.250" in to_vtt(late)
    assert "01:02:05,500 --> 10:00:00,250" in to_srt(late)
    assert read_edl(to_edl(late), 25)[0][:2] == (93138, 900007)


def test_they_are_written_where_they_are_asked_for(tmp_path: Path) -> None:
    made = REPORTS["two_faces"]()
    (tmp_path / "two people.srt").write_text("somebody's subtitles")
    paths = report.write(made, tmp_path, ["vtt", "srt", "edl"])
    names = [f"two people{end}" for end in (".flagged.vtt", ".flagged.srt", ".flagged.edl")]
    assert [path.name for path in paths] == [*names, "two people.run.json"]
    assert paths[1].read_bytes() == to_srt(made).encode("utf-8")
    assert (tmp_path / "two people.srt").read_text() == "somebody's subtitles"
