"""Evaluation: metrics with intervals, slices, coverage, gates, files, and the whole command."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dfexplain import calibration, hub, metrics
from dfexplain.engine import Engine
from dfexplain.errors import DataError, GateMissed, OneClassFold, SettingError
from tests import small_weights as small
from tests.train.crops_table import made_scores, table
from train import eval_report, robustness
from train.__main__ import main
from train.checkpoints import save_checkpoint
from train.evaluate import EvalResult, Gate, compare, evaluate, groups_of
from train.measures import Measure
from train.records import VideoRecord, write_crops
from train.scores import ScoredVideo, score_crops

SIX = {
    "roc_curve.png", "pr_curve.png", "cmatrix.png", "metrics_bar.png", "false_pos_grid.png",
    "false_neg_grid.png",
}  # fmt: skip
EIGHT = SIX | {"calib_curve.png", "score_hist.png"}


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


def test_wears_are_as_strong_as_they_say() -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (64, 64, 3)).astype(np.uint8) for _ in range(3)]
    lost: dict[str, list[float]] = {}
    for name, _, wear in robustness.WEARS:
        worn = wear(frames)
        assert [w.shape for w in worn] == [f.shape for f in frames]
        gap = np.mean(
            [np.abs(w.astype(float) - f).mean() for w, f in zip(worn, frames, strict=True)]
        )
        lost.setdefault(name, []).append(float(gap))
    assert list(lost) == ["JPEG", "blur", "resize", "H.264"]
    for gaps in lost.values():
        assert len(gaps) >= 2
        assert np.all(np.diff(gaps) > 0)


@cache
def weights_folder(root: Path) -> Path:
    folder = root / "weights"
    hub.save(
        folder, config=small.CONFIG, state=small.state(), heat_scale=1.0, card="small",
        calibration=small.calibration(),
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crops table and weights that were calibrated on nothing of it."""
    root = tmp_path_factory.mktemp("made")
    write_crops(root / "metadata_test.csv", table(root, videos=6))
    weights_folder(root)
    return root


def test_robustness_compares_with_the_scores_without_wear(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [robustness.WEARS[0], ("none at all", "", lambda frames: frames)]
    monkeypatch.setattr(robustness, "WEARS", tuple(steps))
    weights, rows = hub.load(str(weights_folder(made))), table(made, videos=6)
    plain = score_crops(weights, rows, made)
    said: list[str] = []
    none, worn, same = robustness.robustness(
        weights, rows, made, plain, threshold=0.0, resamples=20, say=said.append
    )
    assert (none.real_change, none.fake_change, none.flipped, none.n) == (0.0, 0.0, 0.0, 6)
    assert worn.real_change != 0.0
    assert (same.real_change, same.auc) == (0.0, none.auc)
    assert said[0] == "robustness: JPEG, quality 90"


def test_the_command_writes_the_eight_figures(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "outputs" / "test_figs"
    run = ["evaluate", "--weights", str(weights_folder(made)), "--resamples", "20"]
    run += ["--csv", str(made / "metadata_test.csv"), "--image-root", str(made), "--out", str(out)]
    assert main([*run, "--gate", "auc>=0"]) == 0
    told = capsys.readouterr().out
    assert "metadata_test: 6 of 6 videos scored (100.0%; 3 real, 3 fake, 3 groups" in told
    assert "chance: auc 0.500" in told
    assert "gate passed" in told
    assert {p.name for p in out.glob("*.png")} == EIGHT
    assert {p.name for p in out.iterdir() if p.suffix != ".png"} == {
        "results.json", "results.csv", "results.md", "videos.csv", "frames.csv", "tables",
    }  # fmt: skip
    assert len((out / "frames.csv").read_text("utf-8").splitlines()) == 1 + 6 * 9
    assert main([*run, "--gate", "auc>1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error[gate-missed]: auc must be > 1 on 'metadata_test', but got")


def test_several_tables_give_the_table_across_data_sets(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = [replace(r, video=replace(r.video, dataset="other")) for r in table(made, videos=4)]
    write_crops(made / "other.csv", other)
    run = ["evaluate", "--weights", str(weights_folder(made)), "--resamples", "20"]
    run += ["--csv", str(made / "metadata_test.csv"), str(made / "other.csv")]
    assert main([*run, "--out", str(tmp_path), "--dashboard", "val"]) == 0
    assert "| metadata_test | 100.0% | 3 | 3 |" in capsys.readouterr().out
    assert {p.name for p in (tmp_path / "other").glob("*.png")} == SIX
    data = json.loads((tmp_path / "cross_dataset.json").read_text("utf-8"))
    assert [d["name"] for d in data] == ["metadata_test", "other"]
    page = (tmp_path / "cross_dataset.md").read_text("utf-8")
    assert page.count("\n") == 4


@cache
def a_run(root: Path) -> Path:
    """A run whose random weights happen to find the drawn fakes: its head is turned if need be."""
    state = {name: tensor.clone() for name, tensor in small.state().items()}
    scored = score_crops(Engine(small.CONFIG, state), table(root, videos=6), root)
    scores = np.array([s.score for s in scored])
    if scores[1::2].mean() < scores[::2].mean():
        state |= {name: -state[name] for name in ("head.weight", "head.bias")}
    kept = {"averaged": state, "config": small.CONFIG.to_dict()}
    save_checkpoint(root / "run", "best", kept)
    return root / "run"


def test_a_run_is_measured_with_the_threshold_of_validation_crops(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    val = [
        replace(
            r,
            video=replace(
                r.video, path=f"val/{r.video.path}", identities=("v" + r.video.identities[0],),
                source_id="",
            ),
        )
        for r in table(made, videos=6)
    ]  # fmt: skip
    write_crops(made / "metadata_val.csv", val)
    run = ["evaluate", "--run", str(a_run(made)), "--val-csv", str(made / "metadata_val.csv")]
    run += ["--resamples", "20", "--out", str(tmp_path)]
    # Alone they are the validation dashboard; a fit to themselves is no probability to measure.
    assert main(run) == 0
    told = capsys.readouterr().out
    assert "metadata_val: 6 of 6 videos" in told
    assert "held-out groups: temperature 0." in told
    assert {p.name for p in tmp_path.glob("*.png")} == SIX
    alone = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert "accuracy@threshold" in alone["video"]["measures"]
    assert "log_loss" not in alone["video"]["measures"]
    # With a test table they give it its threshold and its probabilities.
    assert main([*run, "--test-csv", str(made / "metadata_test.csv")]) == 0
    assert {p.name for p in tmp_path.glob("*.png")} == EIGHT
    test = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert test["name"] == "metadata_test"
    assert test["threshold"] == alone["threshold"]
    assert test["method"] in ("temperature", "platt", "isotonic")
    assert test["video"]["measures"]["log_loss"]["value"] > 0


def test_other_weights_are_compared_video_by_video(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = str(weights_folder(made))
    run = ["evaluate", "--weights", same, "--against", same, "--resamples", "20"]
    assert main([*run, "--csv", str(made / "metadata_test.csv"), "--out", str(tmp_path)]) == 0
    assert "auc +0.000 (+0.000 to +0.000), p = 1" in capsys.readouterr().out
    assert "## Against other weights" in (tmp_path / "results.md").read_text("utf-8")


def test_options_that_do_not_go_together_are_refused(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = ["--weights", str(weights_folder(made))]
    assert main(["evaluate", *weights, "--robustness", "--data", str(made)]) == 2
    assert "--robustness must come with --csv" in capsys.readouterr().err
    assert main(["evaluate", "--run", str(a_run(made)), "--data", str(made)]) == 2
    assert "must hold clips.csv" in capsys.readouterr().err
    (made / "clips.csv").write_text("file,label,original\na.mp4,0,\n", encoding="utf-8")
    assert main(["evaluate", "--run", str(a_run(made)), "--data", str(made)]) == 2
    assert "--run must come with --csv" in capsys.readouterr().err
    same = ["--csv", str(made / "metadata_test.csv"), "--val-csv", str(made / "metadata_test.csv")]
    assert main(["evaluate", *weights, *same]) == 2
    assert "error[DFX00" in capsys.readouterr().err


def test_a_measure_reads_like_a_sentence() -> None:
    assert str(Measure(0.5, 0.25, 0.75)) == "0.500 (0.250 to 0.750)"
    assert str(Measure(0.5)) == "0.500"
    assert str(Measure(None)) == "–"
    assert not math.isnan(value("eer"))
