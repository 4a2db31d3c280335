"""`train alarms`: false alarms on recordings that nobody forged, beside what was promised (E6)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfexplain import evaluation as evaluations
from dfexplain import hub
from dfexplain.errors import SettingError
from dfexplain.metrics import wilson_interval
from dfexplain.release_checks import check
from dfexplain.structures import EvaluationTable, Number, Outcome, Reason, Verdict
from tests import small_weights as small
from train import alarms
from train.__main__ import main
from train.records import VideoRecord
from train.scores import ScoredVideo

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "weights" / "default"
EXAMPLES = ROOT / "examples"
FITTED = small.calibration()
SHOWN = Verdict(Outcome.REAL, None, 0.0, 0.5)
HIDDEN = Verdict(Outcome.UNCERTAIN, Reason.OUT_OF_DISTRIBUTION, 0.0, None)


def number(table: EvaluationTable, row: str) -> Number:
    (cell,) = [cells[1] for cells in table.rows if cells[0] == row]
    assert isinstance(cell, Number)
    return cell


def recordings(scores: list[float | None], dataset: str = "own") -> list[ScoredVideo]:
    """One recording a score, each of another person; every fourth has no probability."""
    out = []
    for i, score in enumerate(scores):
        record = VideoRecord(f"{i}.mp4", 0, dataset, identities=(f"{dataset}{i}",))
        if score is None:
            out.append(ScoredVideo(record, None, "no_face"))
        else:
            out.append(ScoredVideo(record, score, verdict=HIDDEN if i % 4 == 3 else SHOWN))
    return out


def test_alarms_are_counted_beside_what_was_promised() -> None:
    over, under = FITTED.threshold + 1.0, FITTED.threshold - 9.0
    scored = recordings([over, under, under, over, under, under, under, under, None, None])
    (table,) = alarms.measure(scored, FITTED)
    found = number(table, "at or above the threshold (false alarms)")
    assert (found.value, found.n) == (0.25, 8)
    assert found.low is not None
    assert found.low < 0.25
    # The second alarm comes without a probability.
    shown = number(table, "the same, of those that show a probability")
    assert (shown.value, shown.n) == (pytest.approx(1 / 6), 6)
    assert number(table, "whose probability is withdrawn").value == 0.25
    assert number(table, "with a score (coverage)").value == 0.8
    assert f"{FITTED.false_positive_rate:.3f} are at or above it" in table.note
    assert "10 genuine recordings of 10 people or sources" in table.note


def test_no_alarm_is_no_proof_of_none() -> None:
    (table,) = alarms.measure(recordings([FITTED.threshold - 5.0] * 12), FITTED)
    found = number(table, "at or above the threshold (false alarms)")
    assert (found.value, found.low, found.high) == (0.0, *wilson_interval(0, 12))


def test_the_threshold_that_keeps_the_promise() -> None:
    scores: list[float | None] = [float(s) for s in np.random.default_rng(1).normal(3.0, 1.0, 200)]
    (table,) = alarms.measure(recordings(scores), FITTED, target=0.1)
    needed = number(table, "threshold with at most 0.1 of these at or above it").value
    assert needed is not None
    kept = np.array(scores, float)
    assert (kept >= needed).sum() <= 20
    assert (kept >= needed - 1e-9).sum() == 21
    forged = FITTED.scores[FITTED.labels == 1]
    hits = number(table, "forged videos of the calibration at or above that")
    assert (hits.value, hits.n) == ((forged >= needed).mean(), len(forged))


def test_sets_are_told_apart_where_they_are_large_enough() -> None:
    over, under = FITTED.threshold + 1.0, FITTED.threshold - 1.0
    phone, studio = recordings([over] * 6, "phone"), recordings([under] * 8, "studio")
    (table,) = alarms.measure([*phone, *studio, *recordings([over] * 2, "few")], FITTED)
    assert number(table, "false alarms in phone").value == 1.0
    assert number(table, "false alarms in studio").value == 0.0
    assert not [row for row in table.rows if row[0] == "false alarms in few"]
    assert not [r for r in alarms.measure(phone, FITTED)[0].rows if "alarms in" in str(r[0])]


def test_what_has_no_label_counts_as_genuine() -> None:
    videos = [VideoRecord(f"{i}.mp4", label, "d") for i, label in enumerate((0, 1, None))]
    assert [v.label for v in alarms.unforged(videos)] == [0, 1, 0]


def test_deepfakes_are_told_from_the_recordings() -> None:
    over, under = FITTED.threshold + 1.0, FITTED.threshold - 9.0
    real = recordings([over, under, under, under, under, under, under, under, None])
    source = real[1].record.key
    reals = [
        replace(r, record=replace(r.record, source_id=source)) if r is real[1] else r for r in real
    ]
    fakes = [
        replace(r, record=replace(r.record, label=1, method=method, path=f"fake_{method}_{i}.mp4"))
        for method, scores in (
            ("swap", [over + 1.0] * 6),
            ("reenact", [under - 1.0] * 5),
            ("rare", [over + 2.0]),
        )
        for i, r in enumerate(recordings(list[float | None](scores), method))
    ]
    made_of_it = replace(fakes[0], record=replace(fakes[0].record, source_id=source))
    genuine, table = alarms.measure([*reals, made_of_it, *fakes[1:]], FITTED)
    # What is said of the recordings is what is said of them alone.
    assert genuine == alarms.measure(reals, FITTED)[0]
    assert table.key == evaluations.FORGED
    assert "12 deepfakes of " in table.note
    assert "beside 9 genuine recordings" in table.note
    auc = number(table, "AUC")
    assert (auc.value, auc.n, auc.chance) == (pytest.approx(7 / 12), 20, 0.5)
    assert number(table, "AUC, swap").value == 1.0
    assert number(table, "AUC, reenact").value == 0.0
    assert not [row for row in table.rows if "rare" in str(row[0])]
    found = number(table, "deepfakes at or above the threshold")
    assert (found.value, found.n) == (pytest.approx(7 / 12), 12)
    # Each fourth has no probability: one of the six swaps, and one of the five that are missed.
    shown = number(table, evaluations.ALARMS)
    assert (shown.value, shown.n) == (pytest.approx(6 / 10), 10)
    assert number(table, "deepfakes at or below the band (misses)").value == pytest.approx(5 / 12)
    above = number(table, "deepfakes above their own original")
    assert (above.value, above.n, above.chance) == (1.0, 1, 0.5)
    # At the threshold that flags at most 0.05 of eight recordings none is flagged.
    needed = number(table, "deepfakes at or above the threshold that the recordings need")
    assert needed.value == pytest.approx(7 / 12)
    with pytest.raises(SettingError, match="none of 0 has a score"):
        alarms.measure(fakes, FITTED)


def test_what_has_no_threshold_or_no_face_is_refused() -> None:
    with pytest.raises(SettingError, match="must be calibrated"):
        alarms.measure(recordings([0.0]), None)
    with pytest.raises(SettingError, match="none of 2 has a score"):
        alarms.measure(recordings([None, None]), FITTED)
    for wrong in (0.0, 1.0, -1.0):
        with pytest.raises(SettingError, match=r"lie in 0\.\.1"):
            alarms.check(FITTED, wrong)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two recordings: one with a face, one without."""
    folder = tmp_path_factory.mktemp("footage")
    (folder / "desk").mkdir()
    shutil.copy(EXAMPLES / "untouched.mp4", folder / "desk" / "one.mp4")
    shutil.copy(EXAMPLES / "no_face.mp4", folder / "two.mp4")
    return folder


@pytest.fixture
def measure_alarms() -> Callable[..., int]:
    """`python -m train alarms` with options, of which paths need not be text."""

    def run(*options: object) -> int:
        return main(["alarms", *map(str, options)])

    return run


def test_a_folder_of_footage(
    footage: Path,
    measure_alarms: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert measure_alarms("--weights", SHIPPED, "--videos", footage, "--out", tmp_path) == 0
    told = capsys.readouterr().out
    assert "2 genuine recordings of 2 people or sources" in told
    assert "with a score (coverage)" in told
    weights = hub.load(str(SHIPPED))
    kept = evaluations.from_dict(json.loads((tmp_path / "evaluation.json").read_text()))
    assert kept.weights_sha256 == weights.info.sha256
    (table,) = kept.tables
    assert number(table, "with a score (coverage)").value == 0.5
    assert "desk/one.mp4" in (tmp_path / "videos.csv").read_text()
    assert (tmp_path / "tables" / "genuine.csv").is_file()


def test_recorded_it_is_in_the_card_once_and_nothing_else_moves(
    footage: Path, measure_alarms: Callable[..., int], tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(SHIPPED, folder)
    before = hub.load(str(SHIPPED)).evaluation
    assert before is not None
    for _ in range(2):
        assert measure_alarms("--weights", folder, "--videos", footage, "--record") == 0
        after = hub.load(str(folder))
        assert after.evaluation is not None
        ours = (evaluations.GENUINE, evaluations.FORGED)
        others = tuple(t for t in before.tables if t.key not in ours)
        assert after.evaluation.tables[:-1] == others
        assert after.evaluation.tables[-1].key == evaluations.GENUINE
        assert after.card.count("Genuine recordings") == 1
        # The verdict's card and the report say it from then on.
        row = number(after.evaluation.tables[-1], evaluations.ALARMS)
        assert (after.info.alarms, after.info.found) == (row, None)
        check(folder)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--videos", "nowhere"), "--videos must hold genuine recordings, but got none"),
        (("--videos", EXAMPLES, "--target-fpr", "2"), "--target-fpr must lie in 0..1"),
        (("--videos", EXAMPLES, "--weights", "default", "--record"), "a local weights folder"),
    ],
)
def test_what_is_wrong_is_said_before_the_scoring(
    options: tuple[object, ...],
    said: str,
    measure_alarms: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert measure_alarms(*options) == 2
    shown = capsys.readouterr().err.strip().splitlines()
    assert len(shown) == 1
    assert said in shown[0]


def test_alarms_alone_are_not_recorded(
    measure_alarms: Callable[..., int],
    footage: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = small.publishable(tmp_path / "plain")
    assert measure_alarms("--weights", plain, "--videos", footage, "--record") == 2
    assert "weights that were evaluated" in capsys.readouterr().err
