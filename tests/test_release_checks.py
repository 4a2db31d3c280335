"""What keeps weights from being published, before the Hub is asked anything."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dfexplain import evaluation, hub, weights_writing
from dfexplain.errors import (
    HeatmapsAtChance,
    NotCalibrated,
    PushRefused,
    SettingError,
    WeightsRefused,
)
from dfexplain.release_checks import check
from dfexplain.structures import EvaluationTable, HeatmapRecord, Number
from tests import small_weights as small


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.publishable(tmp_path_factory.mktemp("weights") / "mine")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy of the folder, to be spoilt."""
    return small.write(tmp_path / "mine", small.files_of(folder))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"gain": "high"}, "a gain and its interval"),
        ({"gain": 1.5}, "must lie in -1..1"),
        ({"gain_interval": [0.1]}, "a gain and its interval"),
        ({"gain_interval": [0.2, 0.1]}, "must lie in -1..1"),
        ({"method": "none"}, "method must be one of"),
        ({"scales": {"grad_cam": 0.0}}, "scales must be above 0"),
        ({"scales": [1.0]}, "scales must be an object"),
        ({"measured_on": ""}, "measured_on must be one line"),
        ({"tables": [{}]}, "table must hold exactly its keys"),
        ({"further": 1}, "object must hold exactly its keys"),
    ],
)
def test_what_was_measured_of_heatmaps_is_checked(
    copy: Path, changed: dict[str, object], says: str
) -> None:
    text = json.dumps(small.heatmaps(copy, 0.1, 0.05, 0.2) | changed)
    (copy / "heatmaps.json").write_text(text)
    with pytest.raises(WeightsRefused, match=rf"heatmaps\.json of mine@local .*{says}"):
        check(copy)


def test_what_was_measured_of_the_heatmaps_of_other_weights_stays_here(copy: Path) -> None:
    measured = small.heatmaps(copy, 0.1, 0.05, 0.2) | {"weights_sha256": "0" * 64}
    (copy / "heatmaps.json").write_text(json.dumps(measured))
    with pytest.raises(PushRefused, match=r"heatmaps\.json was measured with other weights"):
        check(copy)


def test_the_card_must_show_what_was_measured_of_the_heatmaps(copy: Path) -> None:
    weights = weights_writing.record_heatmaps(copy, record(small.heatmaps(copy, 0.1, 0.05, 0.2)))
    assert weights.heatmaps is not None
    assert weights.heatmaps.scales == {"grad_cam": 1.0, "occlusion": 0.25}
    with pytest.raises(PushRefused, match=r"shows another one\. Record them again"):
        check(copy)
    card = weights_writing.refresh_card(copy).card
    assert "The default method is `grad_cam`" in card
    assert "in 0.100 more of the crops (95 % interval 0.050 to 0.200)" in card
    _, notes = check(copy)
    assert [note.split(":")[0] for note in notes] == ["No evaluation is recorded"]


def record(values: dict[str, object]) -> HeatmapRecord:
    return evaluation.heatmaps_from_dict(values)


def test_heatmaps_that_chance_reaches_are_not_published(copy: Path) -> None:
    weights_writing.record_heatmaps(copy, record(small.heatmaps(copy, 0.1, -0.01, 0.2)))
    weights_writing.refresh_card(copy)
    with pytest.raises(HeatmapsAtChance, match=r"gain of 0\.100 \(95 % interval -0\.010 to 0\.200"):
        check(copy)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((evaluation.LEFT, Number(0.8, 0.7, 0.9, 24, 0.0)), "must hang on what was learnt"),
        ((evaluation.LEFT, Number(0.6, 0.4, 0.8, 24, 0.0)), ""),
        ((evaluation.ON_FACE, Number(0.1, 0.05, 0.2, 288, 0.6)), "must not avoid the face"),
        ((evaluation.ON_FACE, Number(0.4, 0.3, 0.5, 288, 0.6)), ""),
        ((evaluation.LEFT, None), ""),
    ],
)
def test_heatmaps_that_show_something_else_are_not_published(
    copy: Path, row: tuple[str, Number | None], says: str
) -> None:
    name = evaluation.DEFAULT_MAP
    table = EvaluationTable(name, "The default", "Made up.", ("measure", "value"), (row,))
    made = replace(record(small.heatmaps(copy, 0.1, 0.05, 0.2)), tables=(table,))
    weights_writing.record_heatmaps(copy, made)
    weights_writing.refresh_card(copy)
    if not says:
        check(copy)
        return
    with pytest.raises(HeatmapsAtChance, match=says):
        check(copy)


def test_heatmaps_of_other_weights_are_not_recorded(copy: Path) -> None:
    values = small.heatmaps(copy, 0.1, 0.05, 0.2) | {"weights_sha256": "0" * 64}
    with pytest.raises(SettingError, match="heatmaps must belong to the weights"):
        weights_writing.record_heatmaps(copy, record(values))


def test_answers_that_this_machine_does_not_repeat_stay_here(copy: Path) -> None:
    golden = json.loads((copy / "golden.json").read_text())
    golden["logits"][3] += 1.0
    (copy / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(PushRefused, match="golden crop 3 must score"):
        check(copy)


def test_a_calibration_of_other_weights_is_none(copy: Path) -> None:
    values = json.loads((copy / "calibration.json").read_text()) | {"weights_sha256": "0" * 64}
    (copy / "calibration.json").write_text(json.dumps(values))
    with pytest.raises(NotCalibrated, match="measured with other weights"):
        check(copy)


def alter(text: str, pattern: str, new: str) -> str:
    altered, count = re.subn(pattern, new, text, count=1, flags=re.MULTILINE)
    assert count == 1
    return altered


@pytest.mark.parametrize(
    ("pattern", "new", "says"),
    [
        (r"made for the tests", "", r"no empty cell, but got the row 'made \| \|"),
        (r"made for the tests", "n/a", "no empty cell"),
        (r"^license: .*\n", "", "must state license"),
        (r"^model-index:(.|\n)*?^---\n", "---\n", "must state eval_results"),
        (r"\A---\n", "---\n[\n", "valid front matter"),
        (r"value: 0\.\d+", "value: 0.999", "state the roc_auc of calibration.json"),
        (r"value: 0\.\d+", "value: .nan", "state roc_auc as a number"),
        (r"0\.\d+( \(95 % interval [\d. to]+\) \| 60 unt)", r"0.999\1", "state the roc_auc of"),
    ],
)
def test_a_card_that_is_not_whole_is_not_published(
    copy: Path, pattern: str, new: str, says: str
) -> None:
    card = (copy / "README.md").read_text("utf-8")
    (copy / "README.md").write_text(alter(card, pattern, new), "utf-8")
    with pytest.raises(PushRefused, match=says):
        check(copy)


@pytest.fixture
def recorded(copy: Path) -> Path:
    """The folder with an evaluation, and a card that shows it."""
    weights_writing.record_evaluation(copy, small.evaluation())
    weights_writing.refresh_card(copy)
    return copy


def test_weights_with_an_evaluation_in_their_card_may_be_published(recorded: Path) -> None:
    weights, notes = check(recorded)
    assert weights.evaluation is not None
    assert notes == [f"The heatmaps are not tested: {weights.label} came without heatmaps.json."]


def test_weights_without_an_evaluation_say_so(copy: Path) -> None:
    _, notes = check(copy)
    assert notes[1] == "No evaluation is recorded: mine@local came without evaluation.json."


@pytest.mark.parametrize(
    ("pattern", "new", "says"),
    [
        (r"0\.971 \(", "0.981 (", "evaluation.json and heatmaps.json, but shows another one"),
        (r"\n\| blend .*", "", "shows another one"),
        (r"; chance 0\.5\)", ")", "shows another one"),
        (evaluation.CARD_START, "", "shows no evaluation"),
        (r"\| 13\.7 \|", "| – |", "no empty cell, but got the row 'model"),
    ],
)
def test_a_card_that_shows_other_numbers_than_the_evaluation_is_not_published(
    recorded: Path, pattern: str, new: str, says: str
) -> None:
    card = (recorded / "README.md").read_text("utf-8")
    (recorded / "README.md").write_text(alter(card, pattern, new), "utf-8")
    with pytest.raises(PushRefused, match=says):
        check(recorded)


def test_an_evaluation_that_the_card_does_not_show_yet_stays_here(copy: Path) -> None:
    weights_writing.record_evaluation(copy, small.evaluation())
    with pytest.raises(PushRefused, match=r"shows another one\. Record them again"):
        check(copy)


def test_a_card_with_tables_that_nothing_backs_is_not_published(recorded: Path) -> None:
    (recorded / "evaluation.json").unlink()
    with pytest.raises(PushRefused, match=r"must show the tables of evaluation\.json"):
        check(recorded)


def test_an_evaluation_of_other_weights_is_not_published(recorded: Path) -> None:
    values = json.loads((recorded / "evaluation.json").read_text())
    values["weights_sha256"] = "0" * 64
    (recorded / "evaluation.json").write_text(json.dumps(values))
    weights_writing.refresh_card(recorded)
    with pytest.raises(PushRefused, match=r"the weights beside it, but evaluation\.json was"):
        check(recorded)


def test_an_evaluation_with_an_empty_cell_is_not_published(copy: Path) -> None:
    measured = small.evaluation()
    table = replace(measured.tables[1], rows=(("model", "n/a"),))
    weights_writing.record_evaluation(copy, replace(measured, tables=(table,)))
    weights_writing.refresh_card(copy)
    with pytest.raises(PushRefused, match="no empty cell, but got the row 'model"):
        check(copy)


def test_the_shipped_weights_may_be_published() -> None:
    weights, notes = check(Path(hub.__file__).parent.parent / "weights" / hub.DEFAULT)
    assert weights.calibration is not None
    assert weights.heatmaps is not None
    assert len(notes) == (weights.evaluation is None)
