"""aggregation.py: rules from frames to a score, told apart on the same videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfexplain.aggregate import lane_score
from dfexplain.errors import SettingError
from dfexplain.structures import EvaluationTable, Number
from tests.train.crops import video
from train import aggregation
from train.aggregation import RULES, TODAYS
from train.records import VideoRecord
from train.scores import ScoredVideo


def scored(
    record: VideoRecord, tracks: dict[str, list[float]], index: list[int] | None = None
) -> ScoredVideo:
    logits = np.array([x for own in tracks.values() for x in own], np.float64)
    places = [i for own in tracks.values() for i in range(len(own))]
    return ScoredVideo(
        record,
        0.0,
        frame_logits=logits,
        frame_time_s=np.full(len(logits), np.nan),
        frame_index=np.array(places if index is None else index, np.int64),
        frame_track=tuple(name for name, own in tracks.items() for _ in own),
    )


def test_rules_by_hand() -> None:
    logits = np.array([9.0, -3.0, *range(8)], np.float64)
    found = {name: rule(logits) for name, rule in RULES.items()}
    assert found == {
        TODAYS: lane_score(logits),
        "mean": 3.4,
        "mean less 10% at either end": 28 / 8,
        "median": 3.5,
        "mean of the highest 25 %": (9 + 7 + 6) / 3,
        "mean of the highest 10 %": 9.0,
        "highest frame": 9.0,
    }
    assert {rule(np.array([2.5])) for rule in RULES.values()} == {2.5}


def test_the_highest_track_decides_if_it_has_enough_frames() -> None:
    mean, todays = RULES["mean"], RULES[TODAYS]
    tracks = {"A": [0.0] * 8, "B": [1.0, 3.0] * 4, "C": [50.0] * 7}
    assert aggregation.score(scored(video(0, 1), tracks), mean) == 2.0
    short = {"A": [0.0] * 3, "B": [5.0] * 2}
    assert aggregation.score(scored(video(0, 1), short), mean) == 0.0
    # In the order of time, wherever its frames stand in the table.
    waves = np.repeat([4.0, -4.0], 8)
    shuffled = np.random.default_rng(0).permutation(16)
    mixed = scored(video(0, 1), {"A": waves[shuffled].tolist()}, shuffled.tolist())
    assert aggregation.score(mixed, todays) == lane_score(waves) == 4.0


def table(span: int, noise: float = 0.0, by_recipe: bool = False) -> EvaluationTable:
    """Videos of 40 frames, of which a fake's `span` in the middle are 2 higher; single frames of
    all are raised by `noise`."""
    rng = np.random.default_rng(1)
    videos = []
    for number in range(120):
        for label in (0, 1):
            logits = rng.normal(0.0, 1.0, 40)
            logits[20 - span // 2 : 20 + span // 2] += 2.0 * label
            logits[rng.integers(0, 40, 2)] += noise
            record = video(number, label)
            if label and number % 2:
                record = VideoRecord(**{**vars(record), "method": "other"})
            videos.append(scored(record, {"A": logits.tolist()}))
    videos.append(ScoredVideo(video(999, 1), None, "no_face"))
    return aggregation.compare(videos, by_recipe=by_recipe, resamples=200)


def number(table: EvaluationTable, rule: str, column: int) -> float:
    (cell,) = (row[column] for row in table.rows if row[0] == rule)
    assert isinstance(cell, Number)
    assert cell.value is not None
    return cell.value


def test_each_rule_wins_where_it_should() -> None:
    short, noisy = table(6), table(40, noise=12.0)
    assert number(short, "mean", 2) < -0.03
    assert number(noisy, "median", 1) > 0.95
    assert number(noisy, "median", 2) > number(noisy, "highest frame", 2) + 0.05
    for given in (short, noisy):
        assert [row[0] for row in given.rows] == list(RULES)
        for row in given.rows[1:]:
            assert isinstance(row[1], Number)
            assert isinstance(row[2], Number)
            assert (row[1].n, row[1].chance, row[2].chance) == (240, 0.5, 0.0)
            assert row[2].value == pytest.approx(row[1].value - number(given, TODAYS, 1))
            assert row[2].low <= row[2].value <= row[2].high
        # Only a scaling with an intercept brings the highest of many frames back to zero.
        assert number(given, "highest frame", 4) < number(given, "highest frame", 3) - 0.02
        assert number(given, "highest frame", 4) < 0.7


def test_the_table_as_a_page(tmp_path: Path) -> None:
    made = table(6, by_recipe=True)
    assert "240 validation videos (120 real, 120 fake, 120 groups of people)" in made.note
    assert made.note.endswith("log losses on unseen people and recipes, both classes alike.")
    aggregation.write(tmp_path / "table.md", made)
    lines = (tmp_path / "table.md").read_text("utf-8").splitlines()
    assert lines[0] == "# From frames to a score"
    assert len(lines) == 4 + 2 + len(RULES)
    assert len({line.count("|") for line in lines[4:]}) == 1
    assert lines[6].startswith(f"| {TODAYS} | 0.")


def test_too_few_are_refused() -> None:
    videos = [scored(video(0, label), {"A": [float(label)] * 9}) for label in (0, 1)]
    with pytest.raises(SettingError, match="at least two people"):
        aggregation.compare(videos)
