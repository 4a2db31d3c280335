"""`train calibrate`: the same weights with probabilities that stand on other videos (F2, F6)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from dfexplain import hub, weights_writing
from dfexplain.release_checks import check
from dfexplain.structures import Evaluation
from tests import small_weights as small
from tests.train.crops import draw, rows, video
from tests.train.crops_table import made_scores
from train import card, export, made_clips
from train.__main__ import main
from train.material import VideoMaterial
from train.records import VideoRecord, write_crops, write_videos
from train.scores import ScoredVideo, score_videos

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "weights" / "default"
CROPS = ROOT / "examples" / "crops" / "crops.csv"


@pytest.fixture(scope="module")
def calibrate() -> Callable[..., int]:
    """`python -m train calibrate` with options, of which paths need not be text."""

    def run(*options: object) -> int:
        return main(["calibrate", *map(str, options)])

    return run


@pytest.fixture(scope="module")
def again(calibrate: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights, calibrated on the crops that ship."""
    out = tmp_path_factory.mktemp("weights") / "again"
    assert calibrate("--weights", SHIPPED, "--val-csv", CROPS, "--out", out) == 0
    return out


def test_only_what_was_calibrated_changes(again: Path) -> None:
    before, after = hub.load(str(SHIPPED)), hub.load(str(again))
    assert after.info.sha256 == before.info.sha256
    assert (again / "model.safetensors").read_bytes() == (
        SHIPPED / "model.safetensors"
    ).read_bytes()
    for name in ("config.json", "neighbours.safetensors", "out_of_distribution.safetensors",
                 "heatmaps.json"):  # fmt: skip
        assert (again / name).read_bytes() == (SHIPPED / name).read_bytes(), name
    assert before.calibration is not None
    assert after.calibration is not None
    assert len(after.calibration.scores) == 252
    assert "252 videos of the validation split" in after.calibration.measured_on
    assert after.calibration.threshold != before.calibration.threshold
    # The evaluation was of other probabilities.
    assert before.evaluation is not None
    assert after.evaluation is None


def test_the_card_says_what_the_new_calibration_measured(again: Path) -> None:
    weights, notes = check(again)
    assert [note.split(":")[0] for note in notes] == ["No evaluation is recorded"]
    old, new = ModelCard(hub.load(str(SHIPPED)).card), ModelCard(weights.card)
    assert weights.calibration is not None
    results = {r.metric_type: r for r in new.data.eval_results}
    assert results["roc_auc"].metric_value == round(weights.calibration.auc, 4)
    assert results["roc_auc"].dataset_args["videos"] == 252
    assert new.data.license == old.data.license
    # What it was trained on stays, and nothing is said of who was trained on.
    trained = old.text[old.text.index("## What it was trained on") :].split(card.WORTH)[0]
    assert trained in new.text
    assert card.UNSEEN in old.text
    assert card.UNSEEN not in new.text
    assert f"| {card.CHOSEN} | 0.8" in new.text
    assert new.text.count(card.WORTH) == 1
    assert "Nothing was recorded" in new.text
    assert "and calibrated by\n`python -m train calibrate`." in new.text
    assert "when it was calibrated by `python -m train calibrate`.\n" in new.text
    assert "train export" not in new.text


def test_twice_is_once(
    again: Path, calibrate: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In place as well: the folder is replaced whole, and an evaluation in it is left out."""
    twice = tmp_path / "twice"
    shutil.copytree(again, twice)
    weights_writing.record_evaluation(twice, Evaluation("", "nothing", ()))
    assert calibrate("--weights", twice, "--val-csv", CROPS, "--out", twice) == 0
    assert "`python -m train evaluate --record` measures this one" in capsys.readouterr().out
    assert {path.name for path in twice.iterdir()} == {path.name for path in again.iterdir()}
    for path in again.iterdir():
        assert (twice / path.name).read_bytes() == path.read_bytes(), path.name


def test_weights_without_a_calibration_get_one(
    calibrate: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = weights_writing.save(
        tmp_path / "plain", config=small.CONFIG, state=small.state(), heat_scale=1.0, card=""
    )
    table = rows(range(24))
    draw(tmp_path, table)
    write_crops(tmp_path / "val.csv", table)
    assert calibrate("--weights", plain.folder, "--val-csv", tmp_path / "val.csv",
                     "--out", tmp_path / "mine", "--target-fpr", "0.1") == 0  # fmt: skip
    made = hub.load(str(tmp_path / "mine"))
    assert made.info.sha256 == plain.info.sha256
    assert made.calibration is not None
    assert made.calibration.false_positive_rate <= 0.1
    assert f"| AUC, videos | {made.calibration.auc:.3f} (" in made.card
    told = capsys.readouterr().out
    assert f"video AUC {made.calibration.auc:.3f}" in told
    assert "is left out" not in told


def test_videos_are_scored_as_the_app_scores_them() -> None:
    videos = [
        VideoRecord(path="forged.mp4", label=1, dataset="examples"),
        VideoRecord(path="untouched.mp4", label=0, dataset="examples"),
    ]
    material = VideoMaterial(videos, ROOT / "examples")
    weights = hub.load(str(SHIPPED))
    scored = list(material.score(weights, 1))
    expected = score_videos(weights, videos, ROOT / "examples")
    assert [s.score for s in scored] == [s.score for s in expected]
    assert all(s.score is not None for s in scored)
    said = material.measured_on(scored)
    assert said.startswith("2 videos of examples (1 real, 1 fake), scored as the app scores a file")


def test_bad_orders_are_one_line_and_write_nothing(
    calibrate: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = [
        VideoRecord(path=f"{name}.mp4", label=label, dataset="examples", identities=(name,))
        for name, label in (("forged", 1), ("untouched", 0))
    ]
    write_videos(tmp_path / "videos.csv", videos)
    few = ("--videos", tmp_path / "videos.csv", "--video-root", ROOT / "examples")
    foreign = tmp_path / "foreign"
    shutil.copytree(SHIPPED, foreign)
    weights_writing.record_card(foreign, "---\nlicense: [\n---\nwords")
    listed = tmp_path / "listed"
    shutil.copytree(SHIPPED, listed)
    weights_writing.record_card(listed, "---\n- a\n---\nwords")
    out = tmp_path / "mine"
    for options, says in (
        (("--weights", SHIPPED, *few), "must hold real ones of at least two people"),
        (("--weights", SHIPPED, "--val-csv", CROPS, "--target-fpr", "0.7"), "must lie in 0..0.5"),
        (("--weights", SHIPPED, "--data", tmp_path), "must hold portraits.csv"),
        (("--weights", tmp_path / "none", "--val-csv", CROPS), "none"),
        (("--weights", foreign, "--val-csv", CROPS), "must open with valid front matter"),
        (("--weights", listed, "--val-csv", CROPS), "must open with valid front matter"),
    ):
        assert calibrate(*options, "--out", out) == 2
        error = capsys.readouterr().err.splitlines()
        assert says in error[-1], error
        assert error[-1].startswith("error[")
    assert not out.exists()


def test_a_card_of_another_hand_keeps_its_words() -> None:
    fitted, subject = small.calibration(), VideoMaterial([], ROOT).subject()
    made = card.recalibrated(card.opened("# Mine\n\nMy words.\n"), fitted, subject, {}, 0)
    assert made.index("My words.") < made.index(card.WORTH)
    other = replace(fitted, auc=0.75)
    again = card.recalibrated(card.opened(made), other, subject, {}, 0)
    assert again.count(card.WORTH) == 1
    assert again.count("My words.") == 1
    assert "| AUC, videos | 0.750 (" in again


def test_scores_of_made_clips_do_not_depend_on_the_calibration() -> None:
    """Else weights that were calibrated twice would drift."""
    weights = hub.load(str(SHIPPED))
    videos = [VideoRecord(path="two_people.mp4", label=1, dataset="examples")]
    assert weights.calibration is not None
    strict = replace(weights, calibration=replace(weights.calibration, min_face_px=500.0))
    scores = [score_videos(w, videos, ROOT / "examples")[0] for w in (weights, strict)]
    assert scores[0].score == scores[1].score
    assert scores[1].withdrawn


@pytest.mark.parametrize(("people", "least"), [(2, 0.34), (6, 0.61)])
def test_few_people_prove_little_even_if_all_are_told_apart(people: int, least: float) -> None:
    scored = [
        ScoredVideo(video(i, label), label + 0.01 * i) for i in range(people) for label in (0, 1)
    ]
    fitted = export.calibrate(scored, "", "made-up scores", 0.05)
    assert fitted.auc == 1.0
    assert [round(end, 2) for end in fitted.auc_interval] == [least, 1.0]


def test_plain_clips_alone_limit_the_gate() -> None:
    plain = [replace(s, face_px=150.0 + i) for i, s in enumerate(made_scores())]
    filmed = [
        replace(s, record=replace(s.record, dataset=made_clips.FILMED), face_px=20.0) for s in plain
    ]
    both = export.calibrate([*plain, *filmed], "a" * 64, "these", 0.05)
    assert len(both.scores) == 2 * len(plain)
    alone = export.calibrate(plain, "a" * 64, "these", 0.05)
    assert both.min_face_px == alone.min_face_px > 100
    # Where nothing else was made, filmed ones have to.
    assert export.calibrate(filmed, "a" * 64, "these", 0.05).min_face_px == 20.0
