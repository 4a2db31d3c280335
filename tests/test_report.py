"""The written report: JSON against its schema, tables, the page, names and files."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from dfexplain import explain, report
from dfexplain.errors import SettingError
from dfexplain.report import document, page, table, words
from dfexplain.structures import Calibration, Outcome, Reason, VideoInfo, VideoReport
from tests.reports import REPORTS, Person, make_report

DOCS = Path(__file__).parents[1] / "docs"
CASES = sorted(REPORTS)


@functools.cache
def html_of(case: str) -> str:
    return report.to_html(REPORTS[case]())


def renamed(made: VideoReport, file: str, sha256: str | None = None) -> VideoReport:
    info: VideoInfo = dataclasses.replace(made.info, file=file, sha256=sha256 or made.info.sha256)
    return dataclasses.replace(made, info=info)


def strict(schema: Any) -> Any:
    """The schema with no key beyond those it names: what this version writes is all documented."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: strict(value) for key, value in schema.items()}
    if "required" in out:
        out["additionalProperties"] = False
        assert set(out["required"]) == set(out["properties"])
    return out


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((DOCS / "report.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(strict(schema))


# --- JSON


@pytest.mark.parametrize("case", CASES)
def test_json_follows_the_schema(case: str, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(json.loads(report.to_json(REPORTS[case]())))


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("no_face", {"score": 0.5}),
        ("no_face", {"p_fake": 0.5}),
        ("no_face", {"reason": "in_band"}),
        ("uncalibrated", {"p_fake": 0.9}),
        ("untouched", {"reason": "no_face"}),
        ("untouched", {"verdict": "authentic"}),
        ("untouched", {"surprise": 1}),
    ],
)
def test_the_schema_refuses_what_a_report_must_not_say(
    case: str, change: dict[str, Any], validator: jsonschema.Draft202012Validator
) -> None:
    document_ = json.loads(report.to_json(REPORTS[case]())) | change
    assert not validator.is_valid(document_)


def test_json_holds_the_numbers_of_the_report() -> None:
    made = REPORTS["two_faces"]()
    read = json.loads(report.to_json(made))
    assert (read["file"], read["sha256"]) == ("two people.mp4", made.info.sha256)
    assert (read["verdict"], read["reason"]) == ("fake", None)
    assert made.verdict.p_fake is not None
    assert read["p_fake"] == round(made.verdict.p_fake, 6)
    assert read["coverage"] == {"wanted": 32, "decoded": 32, "with_face": 32}
    assert [s["track_id"] for s in read["segments"]] == ["B", "B"]
    lane, written = made.lanes[1], read["tracks"][1]
    assert written["score"] == round(lane.score, 6)
    assert len(written["frames"]) == len(lane)
    assert lane.p_fake is not None
    for row, frame in enumerate(written["frames"]):
        assert frame["frame_index"] == lane.track.frame_index[row]
        assert frame["time_s"] == pytest.approx(lane.track.time_s[row], abs=1e-6)
        assert frame["logit"] == pytest.approx(lane.scores.logit[row], abs=1e-6)
        assert frame["p_fake"] == pytest.approx(lane.p_fake[row], abs=1e-6)
        assert frame["box_xyxy"] == pytest.approx(lane.track.box_xyxy[row], abs=0.006)


def test_json_is_the_same_bytes_and_run_times_are_elsewhere() -> None:
    made = REPORTS["two_faces"]()
    slower = dataclasses.replace(made, run_times_s={"total": 99.0})
    assert report.to_json(made) == report.to_json(slower)
    assert report.to_json(made).endswith("}\n")
    assert html_of("two_faces") == report.to_html(slower)
    run = json.loads(report.run_json(slower))
    assert run["run_times_s"] == {"total": 99.0}
    assert run["versions"]["numpy"] == np.__version__
    assert (run["file"], run["sha256"]) == (made.info.file, made.info.sha256)


def test_numbers_are_rounded_and_zero_has_no_sign() -> None:
    assert document.rounded(-1e-9) == 0.0
    assert math.copysign(1, document.rounded(-1e-9) or 0.0) == 1
    assert document.rounded(1 / 3) == 0.333333
    numbers = re.findall(r"-?\d+\.\d+(?:e-?\d+)?", report.to_json(REPORTS["crowd"]()))
    assert numbers
    assert all(len(n.split(".")[1]) <= 6 or "e-" in n for n in numbers)


def test_a_number_that_is_not_finite_is_refused() -> None:
    made = REPORTS["untouched"]()
    verdict = dataclasses.replace(made.verdict, score=math.nan)
    with pytest.raises(ValueError, match="JSON compliant"):
        report.to_json(dataclasses.replace(made, verdict=verdict))


def test_positions_that_were_not_counted_are_null() -> None:
    read = json.loads(report.to_json(REPORTS["crowd"]()))
    assert {f["frame_index"] for t in read["tracks"] for f in t["frames"]} == {None}
    rows = list(csv.DictReader(io.StringIO(report.frames_csv(REPORTS["crowd"]()))))
    assert {row["frame_index"] for row in rows} == {""}


@pytest.mark.parametrize("case", ["out_of_distribution", "uncalibrated"])
def test_where_the_video_has_no_probability_nothing_has(case: str) -> None:
    made = REPORTS[case]()
    read = json.loads(report.to_json(made))
    assert read["p_fake"] is None
    assert read["score"] is not None
    assert {f["p_fake"] for t in read["tracks"] for f in t["frames"]} == {None}
    rows = list(csv.DictReader(io.StringIO(report.frames_csv(made))))
    assert {row["p_fake"] for row in rows} == {""}
    shown = re.sub(r"<(style|svg).*?</\1>", "", html_of(case), flags=re.DOTALL)
    assert not re.search(r"\bp 0\.\d", shown.replace(page.RELIABILITY_SAYS, ""))


def test_a_lane_too_short_to_be_judged_has_no_score() -> None:
    brief = Person(0.7, absent=((1.4, 10.0),))
    made = make_report((Person(0.3), brief), Outcome.REAL)
    assert [len(lane) for lane in made.lanes] == [32, 4]
    tracks = json.loads(report.to_json(made))["tracks"]
    assert tracks[0]["score"] is not None
    assert tracks[1]["score"] is None


# --- the documents in docs/


def keys_of(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(keys_of, value)) if value else set()
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set()


def test_the_words_name_every_key_and_column() -> None:
    named = set(re.findall(r"`([^`]+)`", (DOCS / "report_schema.md").read_text("utf-8")))
    keys = keys_of(json.loads(report.to_json(REPORTS["two_faces"]())))
    intervals = {key for key in keys if key.endswith("_interval")}
    run = json.loads(report.run_json(REPORTS["two_faces"]()))
    run_keys = set(run) | set(run["machine"])
    assert keys - intervals | run_keys <= named
    assert {*table.FRAME_COLUMNS, *table.VIDEO_COLUMNS} <= named
    assert {str(r) for r in Reason} | {str(o) for o in Outcome} <= named
    said = (DOCS / "report_schema.md").read_text("utf-8")
    assert f"{document.DIGITS} decimal digits" in said
    assert f"boxes to\n{document.BOX_DIGITS};" in said


# --- tables


@pytest.mark.parametrize("case", CASES)
def test_tables_have_a_row_a_face_and_frame_and_no_invented_number(case: str) -> None:
    made = REPORTS[case]()
    rows = list(csv.DictReader(io.StringIO(report.frames_csv(made))))
    assert len(rows) == sum(len(lane) for lane in made.lanes)
    video = dict(zip(table.VIDEO_COLUMNS, table.video_row(made, "x"), strict=True))
    assert video["verdict"] == str(made.verdict.outcome)
    if made.verdict.outcome is Outcome.NOT_ANALYSABLE:
        assert (video["p_fake"], video["score"], video["judged_faces"]) == ("", "", "0")
    else:
        assert float(video["score"]) == pytest.approx(made.verdict.score, abs=1e-6)
    assert (video["p_fake"] == "") == (made.verdict.p_fake is None)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " =", "＝"])
def test_names_are_no_formulas_in_a_spreadsheet(start: str) -> None:
    evil = renamed(REPORTS["too_few_frames"](), f'{start}HYPERLINK("x";"y").mp4')
    seen = renamed(REPORTS["untouched"](), evil.info.file)
    cells = [
        table.video_row(evil, report.safe_stem(evil.info.file))[0],
        table.video_row(evil, "x")[1],
        next(csv.DictReader(io.StringIO(report.frames_csv(seen))))["file"],
    ]
    for cell in cells:
        assert cell.lstrip()[0] not in "=+-@＝"
    assert "HYPERLINK" in cells[1]


def test_negative_numbers_stay_numbers() -> None:
    row = next(csv.DictReader(io.StringIO(report.frames_csv(REPORTS["untouched"]()))))
    assert float(row["logit"]) < 0


def test_a_video_takes_the_place_of_its_old_row() -> None:
    two, one = REPORTS["two_faces"](), REPORTS["untouched"]()
    text = table.updated(None, table.video_row(two, "two"))
    text = table.updated(text, table.video_row(one, "one"))
    changed = dataclasses.replace(two, notes=("seen again",))
    text = table.updated(text, table.video_row(changed, "two"))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [(row["report"], row["notes"]) for row in rows] == [("two", "seen again"), ("one", "")]


# --- words


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


# --- the page


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
    shown = page.shown_frames(made)
    assert all(frame.flagged for frame in shown)
    assert len(shown) <= page.MOST_FRAMES
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
        assert len(inside) == min(len(rows), page.FRAMES_A_SPAN)
    assert Page(html_of("crowd")).images == 1 + 3 * len(shown)


def test_many_spans_show_their_peaks_before_any_shows_more() -> None:
    forged = tuple((2.0 * k + 0.5, 2.0 * k + 1.3) for k in range(15))
    made = make_report((Person(0.5, forged=forged),), Outcome.FAKE, duration_s=30, frames=120)
    shown = page.shown_frames(made)
    assert len(made.segments) == 15
    assert len(shown) == page.MOST_FRAMES
    spans = {
        next(i for i, (a, b) in enumerate(forged) if a <= f.lane.track.time_s[f.row] <= b)
        for f in shown
    }
    assert len(spans) == page.MOST_FRAMES


def test_without_spans_the_highest_frame_is_shown_as_not_flagged() -> None:
    made = REPORTS["untouched"]()
    (shown,) = page.shown_frames(made)
    assert not shown.flagged
    assert shown.row == int(np.argmax(made.lanes[0].scores.logit))
    assert "The highest frame (not flagged)" in html_of("untouched")
    assert page.shown_frames(REPORTS["no_face"]()) == []
    assert "Flagged frames" not in html_of("no_face")


def test_the_page_shows_the_frame_even_where_no_preview_has_its_time() -> None:
    made = dataclasses.replace(REPORTS["untouched"](), previews=())
    assert Page(report.to_html(made)).images == 1 + 2


def test_overlays_are_drawn_on_the_report_s_one_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    made = REPORTS["two_faces"]()
    scales = []
    real = explain.overlay
    monkeypatch.setattr(
        explain, "overlay", lambda crop, heat: (scales.append(heat.scale), real(crop, heat))[1]
    )
    report.to_html(made)
    assert scales == [made.heat_scale] * len(page.shown_frames(made))


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


# --- files


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
        SettingError, match="format must be one or more of json, csv, html, but got 'pdf'"
    ):
        report.write(REPORTS["no_face"](), tmp_path, ["json", "pdf"])
    with pytest.raises(SettingError, match="but got none"):
        report.write(REPORTS["no_face"](), tmp_path, [])


@pytest.mark.parametrize("formats", [["json"], ["csv"], ["html"]])
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
