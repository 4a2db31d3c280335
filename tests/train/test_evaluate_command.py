"""The evaluate command from a crops table to its files, and the wear of robustness tables."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dfexplain import hub
from dfexplain.engine import Engine
from tests import small_weights as small
from tests.train.crops_table import table
from train import robustness
from train.__main__ import main
from train.checkpoints import save_checkpoint
from train.records import write_crops
from train.scores import score_crops

SIX = {
    "roc_curve.png", "pr_curve.png", "cmatrix.png", "metrics_bar.png", "false_pos_grid.png",
    "false_neg_grid.png",
}  # fmt: skip
EIGHT = SIX | {"calib_curve.png", "score_hist.png"}


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
