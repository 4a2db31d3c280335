"""The dashboards: file names, the numbers behind each figure, and what is said when some lack."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from dfexplain import metrics
from dfexplain.plots import figure_png
from dfexplain.plots.dashboards import dashboard
from dfexplain.plots.grids import TILES
from dfexplain.plots.panels import BarRow, Judged, Tile

SIX = ["roc_curve", "pr_curve", "cmatrix", "metrics_bar", "false_pos_grid", "false_neg_grid"]


def judged(rows: int = 60, threshold: float | None = 0.2) -> Judged:
    rng = np.random.default_rng(0)
    labels = np.arange(rows) % 2
    scores = rng.normal(2.0 * labels - 1, 1)
    jpeg = cv2.imencode(".jpg", np.full((32, 32, 3), 128, np.uint8))[1].tobytes()
    tiles = [Tile(f"a/long/folder/of/videos/{i:03d}.mp4", jpeg, ("score",)) for i in range(rows)]
    return Judged(
        title="drawn",
        scores=scores,
        labels=labels,
        p_fake=1 / (1 + np.exp(-2 * scores)),
        threshold=threshold,
        auc=(metrics.auc(scores, labels), 0.8, 0.99),
        ap=(metrics.average_precision(scores, labels), None, None),
        bars=[
            BarRow("auc", 0.9, 0.8, 0.95, 0.5),
            BarRow("brier", 0.1, None, None, None),
            BarRow("unknown", None, None, None, 0.5),
        ],
        tiles=tiles,
    )


def texts(figure: Figure) -> str:
    said = [t.get_text() for t in figure.texts]
    if figure._suptitle is not None:
        said.append(figure._suptitle.get_text())
    for ax in figure.axes:
        said += [t.get_text() for t in ax.texts] + [ax.get_xlabel(), ax.get_ylabel()]
    return "\n".join(said)


def pictures(figure: Figure) -> int:
    return sum(isinstance(c, AxesImage) for ax in figure.axes for c in ax.get_children())


def test_the_file_names_are_those_of_the_recipe() -> None:
    names = [f"{name}.png" for name in SIX]
    assert list(dashboard(judged(), "val")) == names
    assert list(dashboard(judged(), "test")) == [*names, "calib_curve.png", "score_hist.png"]


@pytest.mark.parametrize("threshold", [0.2, None, 99.0, -99.0])
@pytest.mark.parametrize("calibrated", [True, False])
def test_every_figure_is_drawn_from_columns_of_one_length(
    threshold: float | None, calibrated: bool
) -> None:
    data = judged(threshold=threshold)
    for name, panel in dashboard(
        data if calibrated else replace(data, p_fake=None), "test"
    ).items():
        assert len({len(column) for column in panel.frame().values()}) == 1, name
        assert figure_png(panel.plot(), dpi=40)[:4] == b"\x89PNG"


def test_the_curves_hold_their_areas() -> None:
    data = judged()
    panels = dashboard(data, "test")
    roc = {k: np.array(v, float) for k, v in panels["roc_curve.png"].frame().items()}
    area = np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"])
    assert area == pytest.approx(data.auc[0])
    pr = {k: np.array(v, float) for k, v in panels["pr_curve.png"].frame().items()}
    steps = np.diff(pr["recall"], prepend=0.0)
    assert (steps * pr["precision"]).sum() == pytest.approx(data.ap[0])
    assert "AUC " in texts(panels["roc_curve.png"].plot())
    assert "(0.800 to 0.990)" in texts(panels["roc_curve.png"].plot())
    assert "chance: 0.50 of the videos" in texts(panels["pr_curve.png"].plot())


def test_the_confusion_matrix_counts_every_video_once() -> None:
    data = judged()
    frame = dashboard(data, "val")["cmatrix.png"].frame()
    assert list(zip(frame["label"], frame["called"], strict=True)) == [
        ("real", "real"), ("real", "fake"), ("fake", "real"), ("fake", "fake"),
    ]  # fmt: skip
    false_positives = int((data.scores[data.labels == 0] >= 0.2).sum())
    assert frame["videos"][1] == false_positives
    assert frame["videos"][0] == 30 - false_positives
    assert sum(frame["videos"]) == 60


def test_bars_show_what_is_known() -> None:
    frame = dashboard(judged(), "val")["metrics_bar.png"].frame()
    assert frame["name"] == ["auc", "brier"]
    assert frame["chance"] == [0.5, None]


def test_the_grids_show_the_worst_first() -> None:
    data = judged(rows=120)
    panels = dashboard(data, "val")
    for name, label, sign in (("false_pos_grid.png", 0, 1), ("false_neg_grid.png", 1, -1)):
        frame, figure = panels[name].frame(), panels[name].plot()
        own = data.scores[data.labels == label]
        wrong = own[own >= 0.2] if label == 0 else own[own < 0.2]
        assert sorted(frame["score"]) == sorted(wrong)
        assert np.all(np.diff(sign * np.array(frame["score"], float)) <= 0)
        assert pictures(figure) == min(TILES, len(wrong)) > 0
        assert f"{len(wrong)} of 60" in texts(figure)
        assert "95 % interval" in texts(figure)
    rng = np.random.default_rng(1)
    many = replace(data, scores=rng.normal(0, 5, 120))
    assert "the worst 12 are shown" in texts(dashboard(many, "val")["false_pos_grid.png"].plot())


def test_an_empty_grid_says_so() -> None:
    figure = dashboard(judged(threshold=99.0), "val")["false_pos_grid.png"].plot()
    assert pictures(figure) == 0
    assert "No real video is at or above the threshold 99.000." in texts(figure)
    unknown = dashboard(judged(threshold=None), "val")
    assert "no threshold is known" in texts(unknown["false_neg_grid.png"].plot())
    assert "No threshold is known" in texts(unknown["cmatrix.png"].plot())


def test_a_video_without_a_picture_keeps_its_place() -> None:
    data = judged()
    blank = replace(data, tiles=[replace(t, jpeg=b"broken") for t in data.tiles])
    panel = dashboard(blank, "val")["false_pos_grid.png"]
    figure = panel.plot()
    assert pictures(figure) == 0
    assert texts(figure).count("no picture") == len(panel.frame()["video"]) > 0
    # Paths that are too long keep the end, which tells them apart.
    assert "…" in texts(figure)
    assert ".mp4" in texts(figure)


def test_without_calibration_the_curve_says_so() -> None:
    panels = dashboard(replace(judged(), p_fake=None), "test")
    assert "carry no calibration" in texts(panels["calib_curve.png"].plot())
    assert panels["calib_curve.png"].frame()["mean_p"] == []


def test_the_histogram_holds_every_video_once() -> None:
    frame = dashboard(judged(), "test")["score_hist.png"].frame()
    assert sum(frame["real"]) == sum(frame["fake"]) == 30
