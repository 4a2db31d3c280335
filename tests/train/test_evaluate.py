"""Evaluation: metrics with intervals, slices, coverage, comparison, gates and files."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dfexplain import calibration, metrics
from dfexplain.errors import DataError, GateMissed, OneClassFold, SettingError
from tests import small_weights as small
from tests.train.crops_table import made_scores
from train import eval_report
from train.evaluate import EvalResult, Gate, compare, evaluate, groups_of
from train.measures import Measure
from train.records import VideoRecord
from train.scores import ScoredVideo

SIX = {
    "roc_curve.png", "pr_curve.png", "cmatrix.png", "metrics_bar.png", "false_pos_grid.png",
    "false_neg_grid.png",
}  # fmt: skip


@cache
def result() -> EvalResult:
    scored = made_scores()
    scored += [
        ScoredVideo(VideoRecord(f"{i}.mp4", i % 2, "one"), None, why)
        for i, why in enumerate(("no_face", "no_face", "too_few_frames"))
    ]
    return evaluate(scored, calibration=small.calibration(), resamples=200)


def value(name: str) -> float:
    found = result().video.measures[name].value
    assert found is not None
    return found


def test_every_number_is_that_of_its_metric() -> None:
    scored, fitted = made_scores(), small.calibration()
    scores = np.array([s.score for s in scored])
    labels = np.array([s.record.label for s in scored])
    p = calibration.p_fake(fitted, scores)
    assert value("auc") == metrics.auc(scores, labels)
    assert value("ap") == metrics.average_precision(scores, labels)
    assert value("accuracy@0.5") == np.mean((p >= 0.5) == labels)
    assert value("accuracy@threshold") == np.mean((scores >= fitted.threshold) == labels)
    assert value("fpr@threshold") == np.mean(scores[labels == 0] >= fitted.threshold)
    assert value("tpr@threshold") == np.mean(scores[labels == 1] >= fitted.threshold)
    assert value("log_loss") == metrics.log_loss(1e-7)(p, labels)
    assert value("ace15") == metrics.calibration_error(15, adaptive=True)(p, labels)
    # As many real as fake: counting them alike changes nothing.
    assert value("log_loss_balanced") == pytest.approx(value("log_loss"))
    frames = np.concatenate([s.frame_logits for s in scored])
    frame = result().frame
    assert frame.n == 4 * result().video.n
    assert frame.measures["auc"].value == metrics.auc(frames, np.repeat(labels, 4))
    assert frame.measures.keys() == result().video.measures.keys()


def test_every_number_has_an_interval_around_it() -> None:
    for level in (result().video, result().frame):
        for name, m in level.measures.items():
            assert m.value is not None, name
            assert m.low is not None, name
            assert m.high is not None, name
            assert m.low < m.high, name
            # Errors of calibration are biased upward in resamples: their intervals lie higher.
            if not name.startswith(("ece", "ace")):
                assert m.low <= m.value <= m.high, name


def test_groups_are_people_and_sources() -> None:
    scored = made_scores()
    assert len(np.unique(groups_of(scored))) == result().video.groups == 20
    alone = [replace(s, record=replace(s.record, identities=())) for s in scored]
    assert len(np.unique(groups_of(alone))) == 80


def test_coverage_counts_reasons_and_no_number_is_made_up() -> None:
    assert (result().total, result().video.n) == (83, 80)
    assert result().coverage == 80 / 83
    assert result().reasons == {"no_face": 2, "too_few_frames": 1}
    without = evaluate(made_scores(), calibration=small.calibration(), resamples=200)
    assert without.video == result().video
    assert "2 no_face, 1 too_few_frames" in eval_report.lines(result())[0]


def test_slices_hold_what_they_say() -> None:
    found = {(s.kind, s.name): s.level for s in result().slices}
    names = [s.name for s in result().slices if s.kind == "face size"]
    assert names == ["0 to 64 px", "64 to 128 px", "128 to 256 px", "256+ px"]
    assert sum(found["face size", n].n for n in names) == 80
    # One compression only tells nothing apart.
    assert not [kind for kind, _ in found if kind == "compression"]
    assert (found["method", "swap"].real, found["method", "swap"].fake) == (40, 20)
    assert found["dataset", "one"].n + found["dataset", "two"].n == 80
    scored = [s for s in made_scores() if s.record.label == 0 or s.record.method == "swap"]
    alone = evaluate(scored, calibration=small.calibration(), resamples=200)
    assert alone.video.measures["auc"] == found["method", "swap"].measures["auc"]


def test_a_slice_of_one_class_has_no_auc_but_its_rate() -> None:
    scored = [
        replace(s, record=replace(s.record, compression="c40" if s.record.label else "c23"))
        for s in made_scores()
    ]
    of = evaluate(scored, calibration=small.calibration(), resamples=50)
    c40 = next(s.level for s in of.slices if s.name == "c40")
    assert c40.measures["auc"] == Measure(None)
    assert c40.measures["fpr@threshold"] == Measure(None)
    assert c40.measures["tpr@threshold"] == Measure(value("tpr@threshold"))


def test_the_chance_line_is_that_of_answering_fake_always() -> None:
    scored = [s for i, s in enumerate(made_scores(100)) if s.record.label or i % 10 == 0]
    of = evaluate(scored, threshold=-99.0, resamples=50)
    assert of.video.prevalence == 50 / 60
    assert of.video.measures["accuracy@threshold"].value == of.chance["accuracy@threshold"]
    assert of.video.measures["f1@threshold"].value == pytest.approx(of.chance["f1@threshold"])
    assert of.video.measures["balanced_accuracy@threshold"].value == 0.5
    constant = [replace(s, score=0.0) for s in scored]
    flat = evaluate(constant, resamples=50)
    assert flat.video.measures["auc"].value == flat.chance["auc"] == 0.5
    assert flat.video.measures["ap"].value == pytest.approx(flat.chance["ap"])
    assert "accuracy 0.833" in eval_report.lines(of)[-1]


def test_without_calibration_nothing_needs_a_probability() -> None:
    of = evaluate(made_scores(), resamples=50)
    assert set(of.video.measures) == {"auc", "ap", "eer", "tpr@1%fpr", "tpr@5%fpr"}
    assert (of.method, of.threshold, of.undecided) == (None, None, None)
    given = evaluate(made_scores(), threshold=0.3, resamples=50)
    assert "accuracy@threshold" in given.video.measures
    assert "brier" not in given.video.measures


def test_a_perfect_score_is_not_certain() -> None:
    of = evaluate(made_scores(shift=30.0), threshold=0.0, resamples=50).video.measures
    assert of["auc"].value == of["accuracy@threshold"].value == 1.0
    assert of["auc"].low == pytest.approx(metrics.wilson_interval(20, 20)[0])
    assert of["fpr@threshold"].value == 0.0
    assert of["fpr@threshold"].high == pytest.approx(metrics.wilson_interval(0, 20)[1])


def test_what_cannot_be_measured_is_refused() -> None:
    scored = made_scores(8)
    with pytest.raises(OneClassFold, match="got 4 real and 0 fake of 4"):
        evaluate([s for s in scored if s.record.label == 0])
    unlabelled = replace(scored[0], record=replace(scored[0].record, label=None))
    with pytest.raises(DataError, match=r"but one:0000\.mp4 has none"):
        evaluate([*scored[1:], unlabelled])


def test_the_same_videos_are_compared_in_pairs() -> None:
    a, b = made_scores(shift=2.5), made_scores(shift=1.0)
    found = compare(a, [*b[2:], ScoredVideo(b[0].record, None, "no_face")])
    assert found.difference > 0.1
    assert found.interval[0] > 0
    assert found.p_value < 0.05
    assert compare(a, a).p_value == 1.0
    with pytest.raises(OneClassFold):
        compare(a, b[:1])


def test_gates() -> None:
    assert Gate.parse("auc>0.85") == Gate("auc", ">", 0.85)
    assert Gate.parse(" tpr@5%fpr >= .5") == Gate("tpr@5%fpr", ">=", 0.5)
    passed = Gate("auc", ">", value("auc") - 0.01).check(result())
    assert passed.startswith("gate passed on 'test': auc 0.")
    with pytest.raises(GateMissed, match=r"auc must be > 0\.9999 .*got 0\.\d+ \("):
        Gate("auc", ">", 0.9999).check(result())
    with pytest.raises(GateMissed, match="eer must be < "):
        Gate.parse("eer<0.0001").check(result())
    with pytest.raises(SettingError, match="must name one of auc, ap"):
        Gate.parse("roc>0.5").check(result())
    for text in ("auc", "auc>>1", "auc>high", ">0.5", "auc=0.5"):
        with pytest.raises(SettingError, match="a metric, a sign and a number"):
            Gate.parse(text)


def test_the_result_is_json_and_a_page(tmp_path: Path) -> None:
    scored = made_scores()
    eval_report.write(tmp_path, result(), scored, small.calibration(), figures="val")
    data = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert data["video"]["measures"]["auc"]["value"] == value("auc")
    assert data["coverage"] == 80 / 83
    with (tmp_path / "results.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    found = [r for r in rows if (r["level"], r["metric"]) == ("method", "auc")]
    assert [r["name"] for r in found] == ["reenact", "swap"]
    assert float(rows[0]["value"]) == value("auc")
    page = (tmp_path / "results.md").read_text("utf-8")
    assert f"| auc | {result().video.measures['auc']} |" in page
    assert "80 of 83 videos scored" in page
    assert {p.name for p in tmp_path.glob("*.png")} == SIX
    assert {p.stem for p in (tmp_path / "tables").iterdir()} == {Path(n).stem for n in SIX}


def test_a_measure_reads_like_a_sentence() -> None:
    assert str(Measure(0.5, 0.25, 0.75)) == "0.500 (0.250 to 0.750)"
    assert str(Measure(0.5)) == "0.500"
    assert str(Measure(None)) == "–"
    assert not math.isnan(value("eer"))
