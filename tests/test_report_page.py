"""The page and the words: what they say, what they show, and that they ask for nothing."""

from __future__ import annotations

import dataclasses
import functools
import html as html_module
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from dfexplain import explain, report
from dfexplain.report import chosen, contents, words
from dfexplain.structures import Calibration, Outcome, VideoReport
from tests.reports import REPORTS, Person, make_report, renamed

CASES = sorted(REPORTS)


@functools.cache
def html_of(case: str) -> str:
    return report.to_html(REPORTS[case]())


@pytest.mark.parametrize(
    ("time_s", "text"),
    [(0, "0:00.0"), (3.24, "0:03.2"), (59.96, "1:00.0"), (83.96, "1:24.0"), (3725.5, "62:05.5")],
)
def test_clock(time_s: float, text: str) -> None:
    assert words.clock(time_s) == text


def test_share_has_two_digits() -> None:
    assert [words.share(v) for v in (0.0, 0.0525, 0.05, 0.137, 0.999, 1.0)] == [
        "0 %", "5.2 %", "5 %", "14 %", "100 %", "100 %",
    ]  # fmt: skip


def test_a_report_in_one_line() -> None:
    line = report.one_line(REPORTS["two_faces"]())
    assert line == (
        "two people.mp4: likely manipulated, p 0.93 (cannot tell between 0.33 and 0.62), "
        "face B, 2 spans: 0:03.3–0:04.8, 0:07.0–0:07.6"
    )
    assert report.one_line(REPORTS["no_face"]()) == (
        "landscape.mp4: no face found (no_face), 0 of 32 frames had a face"
    )
    assert ", score 2.58, not calibrated" in report.one_line(REPORTS["uncalibrated"]())
    far = report.one_line(REPORTS["out_of_distribution"]())
    assert "cannot tell (out_of_distribution), score 1.07, no probability" in far


@pytest.mark.parametrize("case", CASES)
def test_the_words_are_those_agreed_on(case: str) -> None:
    made = REPORTS[case]()
    said = " ".join([report.one_line(made), words.explanation(made), html_of(case)])
    shown = re.sub(r"<(style|svg).*?</\1>|<[^>]*>", " ", said, flags=re.DOTALL).lower()
    for word in ("proof", "proves", "authentic", "genuine", "guarantee", "confidence"):
        assert word not in shown
    if made.verdict.p_fake is not None:
        low, high = words.band(made.calibration or pytest.fail("p_fake without calibration"))
        assert f"cannot tell between {low:.2f} and {high:.2f}" in shown


def test_names_cannot_command_a_terminal_or_break_a_line() -> None:
    line = report.one_line(renamed(REPORTS["no_face"](), "a\x1b[2J\n\u202eb\udcff.mp4"))
    assert "\n" not in line
    assert line.isprintable()
    line.encode("utf-8")


class Page(HTMLParser):
    """Collects what a browser would fetch or run, the words, and unclosed elements."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.scripts: list[str] = []
        self.images = 0
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in ("script", "iframe", "object", "embed", "link", "base", "form"):
            self.scripts.append(tag)
        for name, value in attrs:
            if name.startswith("on"):
                self.scripts.append(f"{tag} {name}")
            if name in ("src", "href", "xlink:href", "srcset", "poster", "action") and value:
                self.images += tag == "img"
                if not value.startswith(("data:image/jpeg;base64,", "data:image/png;base64,", "#")):
                    self.fetched.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words += data


@pytest.mark.parametrize("case", CASES)
def test_the_page_is_whole_and_asks_for_nothing(case: str) -> None:
    made = REPORTS[case]()
    text = html_of(case)
    parsed = Page(text)
    assert parsed.open == []
    assert parsed.fetched == []
    assert parsed.scripts == []
    assert not re.findall(r"url\((?!#)", text)
    assert words.headline(made.verdict) in parsed.words
    assert words.coverage(made.coverage) in parsed.words
    assert made.weights.sha256 in parsed.words
    assert made.info.sha256 in parsed.words
    for item in (*made.not_checked, *made.notes):
        assert item in parsed.words
    if made.calibration is not None:
        assert made.calibration.measured_on in parsed.words


def test_every_span_is_shown_with_its_peak_first() -> None:
    made = REPORTS["crowd"]()
    shown = chosen.shown_frames(made)
    assert all(frame.flagged for frame in shown)
    assert len(shown) <= chosen.MOST_FRAMES
    for segment in made.segments:
        lane = next(lane for lane in made.lanes if lane.track_id == segment.track_id)
        inside = [
            frame.row
            for frame in shown
            if frame.lane is lane
            and segment.start_s <= lane.track.time_s[frame.row] <= segment.end_s
        ]
        times = lane.track.time_s
        rows = np.flatnonzero((times >= segment.start_s) & (times <= segment.end_s))
        assert rows[np.argmax(lane.scores.logit[rows])] in inside
        assert len(inside) == min(len(rows), chosen.FRAMES_A_SPAN)
    assert Page(html_of("crowd")).images == 1 + 3 * len(shown)


def test_many_spans_show_their_peaks_before_any_shows_more() -> None:
    forged = tuple((2.0 * k + 0.5, 2.0 * k + 1.3) for k in range(15))
    made = make_report((Person(0.5, forged=forged),), Outcome.FAKE, duration_s=30, frames=120)
    shown = chosen.shown_frames(made)
    assert len(made.segments) == 15
    assert len(shown) == chosen.MOST_FRAMES
    spans = {
        next(i for i, (a, b) in enumerate(forged) if a <= f.lane.track.time_s[f.row] <= b)
        for f in shown
    }
    assert len(spans) == chosen.MOST_FRAMES


def test_without_spans_the_highest_frame_is_shown_as_not_flagged() -> None:
    made = REPORTS["untouched"]()
    (shown,) = chosen.shown_frames(made)
    assert not shown.flagged
    assert shown.row == int(np.argmax(made.lanes[0].scores.logit))
    assert "The highest frame (not flagged)" in html_of("untouched")
    assert chosen.shown_frames(REPORTS["no_face"]()) == []
    assert "Flagged frames" not in html_of("no_face")


def test_the_page_shows_the_frame_even_where_no_preview_has_its_time() -> None:
    made = dataclasses.replace(REPORTS["untouched"](), previews=())
    assert Page(report.to_html(made)).images == 1 + 2


def test_overlays_are_drawn_on_the_report_s_one_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    made = REPORTS["two_faces"]()
    scales = []
    real = explain.overlay
    monkeypatch.setattr(
        explain,
        "overlay",
        lambda crop, heat, **how: (scales.append(heat.scale), real(crop, heat, **how))[1],
    )
    report.to_html(made)
    assert scales == [made.heat_scale] * len(chosen.shown_frames(made))


def test_hostile_texts_stay_texts() -> None:
    evil = '<script>alert(1)</script>"><img src=http://x onerror=alert(1)>&amp;.mp4'
    made = renamed(REPORTS["untouched"](), evil)
    calibration: Calibration | None = made.calibration
    assert calibration is not None
    made = dataclasses.replace(
        made,
        notes=(evil,),
        not_checked=(evil,),
        weights=dataclasses.replace(made.weights, name=evil, revision=evil),
        calibration=dataclasses.replace(calibration, measured_on=evil),
        info=dataclasses.replace(made.info, codec=evil, file=evil.replace("/", "_")),
    )
    parsed = Page(report.to_html(made))
    assert parsed.scripts == []
    assert parsed.fetched == []
    assert evil in parsed.words


def test_explained_frames_say_what_their_maps_are_worth() -> None:
    made = REPORTS["explained"]()
    text = html_module.unescape(html_of("explained"))
    assert made.calibration is not None
    for found in made.explanations:
        assert found.faithfulness is not None
        assert words.faithfulness(found.faithfulness) in text
    last = made.explanations[0].regions[-1]
    said = words.covering(
        last.name, made.explanations[0].logit, last.covered_logit, made.calibration
    )
    assert said in text
    won = sum(f.faithfulness.beats_chance for f in made.explanations if f.faithfulness)
    assert 0 < won < len(made.explanations)
    assert f"on {won} of {len(made.explanations)} flagged frames" in text
    assert "mouth 0:03.2" in text
    # A map that loses has no colour left.
    plain = REPORTS["two_faces"]()
    drawn = {f.row: overlays(made)[f.row] == overlays(plain)[f.row] for f in made.explanations}
    assert drawn == {f.row: bool(f.faithfulness.beats_chance) for f in made.explanations
                     if f.faithfulness}  # fmt: skip


def overlays(made: VideoReport) -> dict[int, object]:
    """The drawn crop of each shown frame, by its row."""
    evidence = contents.contents(made).evidence
    assert evidence is not None
    shown = zip(chosen.shown_frames(made), evidence.frames, strict=True)
    return {one.row: frame.pictures.overlay for one, frame in shown}
