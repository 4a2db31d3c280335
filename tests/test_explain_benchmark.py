"""`dfexplain explain-benchmark`: every method against a known truth, and what is recorded (N20)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dfexplain import evaluation, hub, plots
from dfexplain.__main__ import main
from dfexplain.commands.explain_benchmark import told
from dfexplain.engine import Engine
from dfexplain.errors import SettingError
from dfexplain.explain import benchmark, perturbation, tables, truth
from dfexplain.explain.faithfulness import cheap
from dfexplain.explain.methods import METHODS, available
from dfexplain.explain.tables import COVERS
from dfexplain.explain.truth import KnownForgeries
from dfexplain.models import ModelConfig, build
from dfexplain.structures import HeatmapRecord, Number
from tests import planted
from tests import small_weights as small

METHODS_ASKED = ("grad_cam", "layer_cam", "eigen_cam")
PATCH = 16


def planted_truth() -> KnownForgeries:
    """Grey crops in which a magenta patch is what was forged: in a corner, or in the middle."""
    places = [(0, 0), (48, 0), (0, 48), (48, 48), (16, 0), (0, 16), (48, 16), (16, 48), (24, 24)]
    crops, masks = [], []
    for n, (left, top) in enumerate(places):
        crops.append(planted.patched(left, top, seed=n, side=PATCH))
        mask = np.zeros((64, 64), bool)
        mask[top : top + PATCH, left : left + PATCH] = True
        masks.append(mask.repeat(3, axis=0).repeat(3, axis=1)[::2, ::2])
    part = np.array(["eye"] * 3 + ["mouth"] * 3 + ["half"] * 2 + ["hull"])
    shown = np.stack(masks)
    return KnownForgeries(np.stack(crops), shown, np.ones_like(shown), part, part, np.arange(9))


@pytest.fixture(scope="module", autouse=True)
def few_passes() -> Iterator[None]:
    """Methods that take hundreds of passes are asked for their scale alone: a few do here."""
    with pytest.MonkeyPatch.context() as patch:
        for constant, few in {
            "OCCLUSION_GRID": 4,
            "RISE_MASKS": 8,
            "SHAP_GRID": 2,
            "SHAP_ORDERS": 1,
        }.items():
            patch.setattr(perturbation, constant, few)
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> hub.Weights:
    given = {"heat_scale": 2.5, "card": "# A\n"}
    folder = tmp_path_factory.mktemp("weights") / "planted"
    return hub.save(folder, config=planted.CONFIG, state=planted.state(), **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def measured(weights: hub.Weights) -> HeatmapRecord:
    return benchmark.measure(weights, METHODS_ASKED, known=planted_truth())


def cells(record: HeatmapRecord, key: str) -> dict[str, dict[str, Number]]:
    """A table by its rows' names and its columns."""
    table = next(t for t in record.tables if t.key == key)
    found = {}
    for name, *row in table.rows:
        assert all(isinstance(cell, Number) for cell in row)
        found[str(name)] = dict(zip(table.columns[1:], row, strict=True))
    return found  # type: ignore[return-value]


def test_what_is_planted_is_found_and_beats_the_rivals(measured: HeatmapRecord) -> None:
    found = cells(measured, evaluation.POINTING)
    assert list(found) == ["Grad-CAM", "LayerCAM", "EigenCAM", "random map", "middle of the crop"]
    for name in ("Grad-CAM", "LayerCAM"):
        own = found[name]["off the centre"]
        assert own.value == 1.0
        assert own.n == 8
        assert own.chance is not None
        assert own.chance < 0.1
    assert found["middle of the crop"]["off the centre"].value == 0.0
    assert found["middle of the crop"]["whole face"].value == 1.0
    rival = found["random map"]["off the centre"].value
    assert rival is not None
    assert measured.method == "grad_cam"
    assert measured.gain == pytest.approx(1.0 - rival)
    assert 0.5 < measured.gain_interval[0] <= measured.gain <= measured.gain_interval[1]
    overlap = cells(measured, "overlap")
    grad, random = (
        overlap[name]["IoU, off the centre"].value for name in ("Grad-CAM", "random map")
    )
    assert grad is not None
    assert random is not None
    assert grad > 2 * random


def test_the_default_is_a_map_that_every_report_holds() -> None:
    ones, zeros = np.ones(4), np.zeros(4)
    hits = {"layer_cam": ones, "grad_cam": zeros, "mask_head": np.array([0.0, 0, 0, 1])}
    assert tables._default(hits) == "mask_head"
    assert tables._default({"eigen_cam": zeros, "layer_cam": ones}) == "layer_cam"


def test_the_default_is_summed_up_for_the_card_and_the_push(measured: HeatmapRecord) -> None:
    own = {name: row["value"] for name, row in cells(measured, evaluation.DEFAULT_MAP).items()}
    for key, column in ((evaluation.POINTING, "off the centre"), ("overlap", "heat on the face")):
        assert cells(measured, key)["Grad-CAM"][column] in own.values()
    assert own[evaluation.LEFT] == cells(measured, "sanity")["Grad-CAM"]["all of it"]
    assert own[evaluation.ON_FACE].value == own[evaluation.ON_FACE].chance == 1.0


def test_scales_are_those_of_the_found_crops(measured: HeatmapRecord, weights: hub.Weights) -> None:
    assert measured.scales["grad_cam"] == weights.heat_scale == 2.5
    engine, known = Engine(weights.config, weights.state), planted_truth()
    assert (engine.run(known.crops).logit > 0).all()
    # Those that were not asked for have one too, of a few crops: the app offers them all.
    assert set(measured.scales) == {*METHODS_ASKED, *available(engine)} - {"hires_cam", "shap"}
    few = known.crops[[0, 2, 5, 8]][:, None]
    assert len(few) == benchmark.SCALED
    for name in ("occlusion", "rise"):
        values = METHODS[name].draw(engine, few)
        assert measured.scales[name] == pytest.approx(np.percentile(np.abs(values), 99))
    values = METHODS["layer_cam"].draw(engine, known.crops[:, None])
    assert measured.scales["layer_cam"] == pytest.approx(np.percentile(np.abs(values), 99))


def test_faithfulness_is_what_one_frame_is_told(
    measured: HeatmapRecord, weights: hub.Weights
) -> None:
    engine, known = Engine(weights.config, weights.state), planted_truth()
    for name, said in (("grad_cam", "Grad-CAM"), ("eigen_cam", "EigenCAM")):
        signed, clips = METHODS[name].signed, known.crops[:, None]
        values = METHODS[name].draw(engine, clips)[:, 0]
        beats = [
            cheap(engine, clip, 0, value, signed=signed).beats_chance
            for clip, value in zip(clips, values, strict=True)
        ]
        assert cells(measured, "faithful")[said]["blurred"].value == pytest.approx(np.mean(beats))


def test_the_chance_line_of_faithfulness_is_what_random_maps_reach(measured: HeatmapRecord) -> None:
    tested = cells(measured, "faithful")
    # The places that decide do well by the best cover: the test tells.
    assert measured.cover is not None
    truth = tested["what was forged"][COVERS[measured.cover]]
    assert (truth.low or 0.0) > (truth.chance or 0.0)
    assert truth.value == max(cell.value or 0.0 for cell in tested["what was forged"].values())
    found = {name: row["blurred"] for name, row in tested.items()}
    luck = found.pop("random map")
    assert luck.chance is None
    assert luck.value is not None
    assert luck.value < 0.3 < (found["Grad-CAM"].value or 0.0)
    assert {cell.chance for cell in found.values()} == {luck.value}


def test_a_record_comes_back_from_its_json(measured: HeatmapRecord) -> None:
    assert evaluation.heatmaps_from_dict(evaluation.heatmaps_to_dict(measured)) == measured


def test_a_model_of_clips_is_shown_crops_that_stand_still(tmp_path: Path) -> None:
    config = ModelConfig("pooled", "mobilenetv3_small_100", crop_px=64, clip_frames=2, embed_dim=16)
    state = build(config).state_dict()
    # All are called forged.
    state["head.bias"] = torch.full_like(state["head.bias"], 9.0)
    weights = hub.save(tmp_path / "clips", config=config, state=state, heat_scale=1.0, card="c")
    known = planted_truth().only(np.array([0, 3, 8]))
    found = benchmark.measure(weights, ("grad_cam",), known=known)
    assert cells(found, evaluation.POINTING)["Grad-CAM"]["of these, found forged"].n == 2


def test_what_cannot_be_measured_is_said(weights: hub.Weights, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"methods must be of .*but got 'mask_head'"):
        benchmark.measure(weights, ("mask_head",), known=planted_truth())
    real = planted_truth()
    grey = KnownForgeries(**{**vars(real), "crops": np.full_like(real.crops, 120)})
    with pytest.raises(SettingError, match="must find some of the forged crops, but found none"):
        benchmark.measure(weights, ("grad_cam",), known=grey)


def test_quick_methods_are_those_without_hundreds_of_passes(weights: hub.Weights) -> None:
    engine = Engine(weights.config, weights.state)
    quick = benchmark.chosen(engine, None)
    assert "occlusion" in quick
    assert not {"rise", "shap"} & set(quick)
    assert {"rise", "shap"} <= set(benchmark.chosen(engine, ["all"]))
    assert benchmark.chosen(engine, ["occlusion", "grad_cam"]) == ("grad_cam", "occlusion")


def test_the_figure_shows_every_map_and_rival(measured: HeatmapRecord) -> None:
    table = measured.tables[0]
    figure = plots.pointing(table)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [row[0] for row in table.rows]
    for ax, column in zip(figure.axes, ("off the centre", "whole face"), strict=True):
        drawn = [bar.get_width() for bar in ax.patches]
        at = table.columns.index(column)
        assert drawn == [row[at].value for row in table.rows if isinstance(row[at], Number)]
    assert plots.figure_png(figure)[:4] == b"\x89PNG"


def test_the_command_prints_draws_and_records_the_same_again(
    measured: HeatmapRecord,
    weights: hub.Weights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(truth, "read", lambda config: planted_truth())
    folder = small.write(tmp_path / "planted", small.files_of(weights.folder))
    run = ["explain-benchmark", "--weights", str(folder)]
    with monkeypatch.context() as patch:
        patch.setattr(benchmark, "measure", lambda *_, **__: measured)
        assert main([*run, "--methods", "grad_cam", "--figure", str(tmp_path)]) == 2
    assert "--figure must be a file that can be written" in capsys.readouterr().err
    assert not (folder / "heatmaps.json").exists()
    figure = tmp_path / "f.png"
    run += ["--methods", ",".join(METHODS_ASKED), "--figure", str(figure), "--record"]
    assert main(run) == 0
    out = capsys.readouterr().out.splitlines()
    assert all(line in out for line in told(measured))
    assert figure.read_bytes()[:4] == b"\x89PNG"
    recorded = hub.load(folder)
    assert recorded.heatmaps is not None
    assert recorded.heatmaps.weights_sha256 == recorded.info.sha256
    # The same weights, measured once more, give the same record.
    assert replace(recorded.heatmaps, weights_sha256="") == measured
    assert "The default method is `grad_cam`" in recorded.card
