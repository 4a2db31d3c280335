"""The written report: JSON against its schema and its document, and the tables."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from dfexplain import report
from dfexplain.report import contents, numbers, table
from dfexplain.report.numbers import rounded
from dfexplain.structures import Outcome, Reason
from tests.reports import REPORTS, Person, make_report, renamed

DOCS = Path(__file__).parents[1] / "docs"
CASES = sorted(REPORTS)


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


def test_json_holds_the_explanations() -> None:
    made = REPORTS["explained"]()
    read = json.loads(report.to_json(made))
    assert read["heatmaps"] == {"method": "grad_cam", "scale": round(made.heat_scale, 6)}
    assert len(read["explanations"]) == len(made.explanations) > 1
    for told, found in zip(read["explanations"], made.explanations, strict=True):
        np.testing.assert_allclose(told["heatmap"], found.heatmap.values, atol=1e-6)
        assert told["faithfulness"]["beats_chance"] is (found.row % 2 == 0)
        assert [part["region"] for part in told["regions"]] == [r.name for r in found.regions]
        assert told["neighbours"] == [{"forged": True, "likeness": 0.93}]
    assert read["region_spans"][0]["region"] == "mouth"
    assert json.loads(report.to_json(REPORTS["two_faces"]()))["explanations"] == []


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
    assert report.to_html(made) == report.to_html(slower)
    run = json.loads(report.run_json(slower))
    assert run["run_times_s"] == {"total": 99.0}
    assert run["versions"]["numpy"] == np.__version__
    assert (run["file"], run["sha256"]) == (made.info.file, made.info.sha256)


def test_numbers_are_rounded_and_zero_has_no_sign() -> None:
    assert rounded(-1e-9) == 0.0
    assert math.copysign(1, rounded(-1e-9) or 0.0) == 1
    assert rounded(1 / 3) == 0.333333
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
    shown = re.sub(r"<(style|svg).*?</\1>", "", report.to_html(made), flags=re.DOTALL)
    assert not re.search(r"\bp 0\.\d", shown.replace(contents.FIGURES[0][1], ""))


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
    assert f"{numbers.DIGITS} decimal digits" in said
    assert f"boxes to\n{numbers.BOX_DIGITS};" in said


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
