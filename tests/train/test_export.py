"""From a run to a weights folder that may be published, from crops and from portraits."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard

from dfexplain import hub
from dfexplain.detector import Detector
from dfexplain.engine import Engine
from dfexplain.errors import DataError, NotCalibrated, PushRefused, SettingError
from dfexplain.golden import golden_crops
from dfexplain.release_checks import check
from tests import small_weights as small
from tests.train.crops import crops_data, draw, rows, video
from tests.train.crops_table import made_scores
from tests.train.faces import portraits
from train import card, config, export, loop, made_clips
from train.__main__ import main
from train.datasets import CropsData
from train.detecting import FileTask, Task, detect
from train.material import PortraitMaterial, TableMaterial
from train.records import write_crops
from train.scores import ScoredVideo

SETTINGS: dict[str, Any] = {
    "name": "made",
    "model": {"architecture": "simple_cnn", "crop_px": 32, "crop_margin": 0.0},
    "data": {"workers": 0, "batch_size": 8},
    "optimiser": {"ema": 0.5, "lr": 3e-3},
    "run": {"epochs": 6, "pretrained": False, "select": "val_loss"},
}


def silent(line: str) -> None:
    assert line


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CropsData:
    return crops_data(tmp_path_factory.mktemp("data"), train=8, val=12)


def fitted(folder: Path, data: CropsData, **model: object) -> Path:
    settings = config.from_dict(SETTINGS | {"model": SETTINGS["model"] | model})
    loop.fit(settings, data, folder, silent)
    return folder


@pytest.fixture(scope="module")
def run_dir(data: CropsData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted(tmp_path_factory.mktemp("runs") / "made", data)


@pytest.fixture(scope="module")
def command(data: CropsData, run_dir: Path) -> Callable[..., int]:
    """`python -m train export` of the run with its tables."""
    tables = {"--train-csv": data.train, "--val-csv": data.val}
    paths = {name: data.image_root / f"{name[2:]}.csv" for name in tables}
    for name, table in tables.items():
        write_crops(paths[name], table)

    def export_run(out: Path, *further: str, **other: Path) -> int:
        chosen = {"--run": run_dir, "--out": out, **paths}
        chosen |= {f"--{name.replace('_', '-')}": path for name, path in other.items()}
        if "--from" in chosen:
            del chosen["--run"], chosen["--train-csv"]
        return main(["export", *(str(x) for pair in chosen.items() for x in pair), *further])

    return export_run


def test_a_run_on_crops_becomes_weights_that_may_be_published(
    command: Callable[..., int], run_dir: Path, data: CropsData, tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    further = ("--target-fpr", "0.1", "--formats", "torchscript,onnx,state_dict")
    assert command(out, "--terms", "made=made for the tests", *further) == 0
    weights, notes = check(out)
    assert [note.split(":")[0] for note in notes] == [
        "The heatmaps are not tested",
        "No evaluation is recorded",
    ]
    state = loop.load_checkpoint(run_dir)
    assert state is not None
    assert weights.info.sha256 == hub.sha256_of(state["averaged"])
    measured = weights.calibration
    assert measured is not None
    assert measured.auc > 0.9
    assert measured.false_positive_rate <= 0.1
    assert len(measured.scores) == 24
    assert measured.people == 12
    assert measured.min_face_px == 30.0
    assert measured.max_distance is not None
    assert measured.max_picture_distance is not None
    assert measured.max_drawn is not None
    assert "24 videos of the validation split of made (12 real, 12 fake)" in measured.measured_on

    text = ModelCard(weights.card)
    assert text.data.license == "other"
    assert text.data.license_name == "terms-of-the-training-data"
    results = {result.metric_type: result for result in text.data.eval_results}
    assert results["roc_auc"].dataset_name == "Validation split of made"
    assert results["roc_auc"].dataset_args["videos"] == 24
    assert "| made | made for the tests | 8 real, 8 fake | 12 real, 12 fake |" in text.text
    assert "architecture: simple_cnn" in text.text

    others = {path.name for path in (tmp_path / "mine_formats").iterdir()}
    assert others >= {"model.torchscript.pt", "model.onnx", "model.state_dict.pt"}
    with (run_dir / "calibration_videos.csv").open(newline="") as handle:
        written = list(csv.DictReader(handle))
    assert [float(row["score"]) for row in written] == pytest.approx(measured.scores, rel=1e-4)
    rules = (run_dir / "aggregation.md").read_text("utf-8")
    assert "24 validation videos (12 real, 12 fake, 12 groups" in rules
    assert f"| {measured.auc:.3f} (" in rules


def test_without_terms_the_card_has_a_gap_and_stays_here(
    command: Callable[..., int], tmp_path: Path
) -> None:
    assert command(tmp_path / "mine") == 0
    assert not (tmp_path / "mine_formats").exists()
    with pytest.raises(PushRefused, match="no empty cell, but got the row 'made"):
        check(tmp_path / "mine")


def test_an_old_checkpoint_becomes_weights(
    command: Callable[..., int], run_dir: Path, data: CropsData, tmp_path: Path
) -> None:
    state = loop.load_checkpoint(run_dir)
    assert state is not None
    old = tmp_path / "best.ckpt"
    torch.save({"state_dict": {f"model.{k}": v for k, v in state["averaged"].items()}}, old)
    settings = config.from_dict(SETTINGS)
    config.write(tmp_path / "made.yaml", settings)
    words = ["export", "--from", old, "--config", tmp_path / "made.yaml", "--out"]
    assert main([str(word) for word in (*words, tmp_path / "plain")]) == 0
    plain = hub.load(tmp_path / "plain")
    assert plain.config == settings.model
    assert plain.info.sha256 == hub.sha256_of(state["averaged"])
    assert plain.calibration is None
    assert "Converted from `best.ckpt`" in plain.card
    with pytest.raises(NotCalibrated):
        check(tmp_path / "plain")

    out, paths = tmp_path / "calibrated", {"config": tmp_path / "made.yaml"}
    assert command(out, "--terms", "made=for the tests", **{"from": old, **paths}) == 0
    weights, _ = check(out)
    assert weights.calibration is not None
    assert weights.calibration.max_distance is None
    assert "| made | for the tests | not known here | 12 real, 12 fake |" in weights.card
    assert "All numbers are on people who were not trained on" not in weights.card
    assert main([str(w) for w in (*words, out, "--train-csv", out, "--val-csv", out)]) == 2


def test_the_heatmap_scale_is_that_of_forged_crops(run_dir: Path, data: CropsData) -> None:
    material = TableMaterial(data.train, data.val, data.image_root)
    state = loop.load_checkpoint(run_dir)
    assert state is not None
    engine = Engine(config.from_dict(SETTINGS).model, state["averaged"])
    forged = [c for crops, label in material.crops("val", engine.config, 10**6) for c in crops
              if label]  # fmt: skip
    output = engine.run(np.stack(forged))
    expected = np.percentile(output.evidence[output.logit > 0], 99)
    assert export.heat_scale(engine, material) == pytest.approx(expected)


def test_clips_of_a_video_model(data: CropsData, tmp_path: Path) -> None:
    run = fitted(tmp_path / "run", data, clip_frames=3)
    material = TableMaterial(data.train, data.val, data.image_root)
    for crops, label in material.crops("train", config.from_dict(SETTINGS).model, 16):
        assert crops.shape == (4, 32, 32, 3)
        assert label in (0, 1)
    weights = export.export(run, material, tmp_path / "mine", say=silent)
    assert weights.config.clip_frames == 3
    assert weights.calibration is not None


def test_weights_that_do_not_separate_are_refused() -> None:
    random = np.random.default_rng(0)
    scored = [ScoredVideo(video(i, i % 2), float(s)) for i, s in enumerate(random.normal(size=40))]
    with pytest.raises(SettingError, match=r"got AUC 0\.\d+ .* which chance reaches|they fall"):
        export.calibrate(scored, "", "made-up scores", 0.05)


def test_a_model_that_finds_nothing_is_refused(data: CropsData) -> None:
    state = dict(small.state())
    state["head.bias"] = state["head.bias"] - 100.0
    with pytest.raises(SettingError, match="must find some forged validation crops"):
        export.heat_scale(
            Engine(small.CONFIG, state), TableMaterial(data.train, data.val, data.image_root)
        )


def test_bad_orders_are_one_line(
    command: Callable[..., int],
    data: CropsData,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = rows(range(200, 203))
    draw(data.image_root, other)
    write_crops(data.image_root / "other.csv", other)
    out = tmp_path / "mine"
    for options, paths, says in (
        (("--target-fpr", "0.6"), {}, "--target-fpr must lie in 0..0.5"),
        (("--terms", "made"), {}, "--terms must be DATASET=TEXT"),
        (("--formats", "onnx,tflite"), {}, "but got 'tflite'"),
        (("--checkpoint", "epoch_999"), {}, "must hold a checkpoint 'epoch_999'"),
        ((), {"val_csv": data.image_root / "other.csv"}, "data must be those that"),
    ):
        assert command(out, *options, **paths) == 2
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
    assert not out.exists()


def test_a_crop_that_is_gone_is_named(data: CropsData, tmp_path: Path) -> None:
    material = TableMaterial(data.train, data.val, tmp_path)
    with pytest.raises(DataError, match="must be readable pictures, but got 'fake/0"):
        list(material.crops("train", small.CONFIG, 10))


class GoldenTask:
    """Scores one golden crop: a task that is quick."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, detector: Detector) -> ScoredVideo:
        weights = detector.weights
        output = Engine(weights.config, weights.state).run(golden_crops(weights.config.crop_px))
        return ScoredVideo(video(self.number, 0), float(output.logit[self.number]))


def test_workers_do_not_change_the_numbers(tmp_path: Path) -> None:
    weights = hub.save(
        tmp_path / "w", config=small.CONFIG, state=small.state(), heat_scale=1.0, card=""
    )
    tasks: list[Task] = [GoldenTask(i) for i in range(4)]
    alone, together = (list(detect(weights.folder, tasks, n)) for n in (1, 2))
    assert [s.score for s in alone] == [s.score for s in together]
    assert weights.golden is not None
    assert [s.score for s in alone] == pytest.approx(weights.golden.logits[:4], abs=1e-6)


def test_a_made_clip_is_scored_as_the_app_scores_it(tmp_path: Path) -> None:
    gate = small.out_of_distribution()
    weights = hub.save(
        tmp_path / "w",
        config=small.CONFIG,
        state=small.state(),
        heat_scale=1.0,
        card="",
        out_of_distribution=gate,
    )
    tasks = made_clips.tasks(portraits())
    task = tasks[2]
    (scored,) = detect(weights.folder, [task])
    assert scored.score is not None
    assert scored.departure is not None
    assert scored.confidence is not None
    assert scored.face_px == pytest.approx(task.recipe.face_px, rel=0.35)
    (missing,) = detect(weights.folder, [FileTask(video(0, 0), tmp_path / "none.mp4")])
    assert missing.reason == "file-refused"


def test_portraits_give_crops_and_words() -> None:
    people = list(portraits())
    material = PortraitMaterial(people, people)
    (real, forged) = material.crops("val", small.CONFIG, 100)
    assert (real[1], forged[1]) == (0, 1)
    assert real[0].shape == forged[0].shape == (len(people), 64, 64, 3)
    assert not np.array_equal(real[0], forged[0])
    scored = [ScoredVideo(t.record, 0.0) for t in made_clips.tasks(people)]
    said = material.measured_on(scored)
    made = 2 * made_clips.CALIBRATION.each * len(people)
    assert f"{made} made clips of {len(people)} people" in said
    subject = material.subject()
    assert subject.licence == "apache-2.0"
    assert ("public domain", str(2 * len(people))) in subject.terms


@pytest.mark.parametrize(("real", "fake"), [(9, 9), (10, 9), (9, 10), (10, 10)])
def test_a_slice_of_a_few_clips_has_no_number(real: int, fake: int) -> None:
    """Two clips have an AUC too, of 0 or 1."""
    scored = made_scores()
    left = {0: real, 1: fake}
    for i, one in enumerate(scored):
        label = one.record.label
        assert label is not None
        left[label] -= 1
        name = "few" if left[label] >= 0 else "many"
        scored[i] = replace(one, record=replace(one.record, dataset=name))
    tables = export._slices(scored, small.calibration())
    few, many = tables["dataset"]
    assert (few.name, few.videos, many.name, many.videos) == (
        "few",
        real + fake,
        "many",
        80 - few.videos,
    )
    assert (few.auc is not None, few.false_positive_rate is not None) == (
        real == fake == 10,
        real == 10,
    )
    assert many.auc is not None
    assert many.false_positive_rate is not None
    card_text = card._slices({"data set": [few, many]}, "clips")
    assert ("too few of a class" in card_text) == (few.auc is None)
