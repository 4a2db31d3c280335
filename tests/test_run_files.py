"""What train writes about its runs, read back and shown: by content, bounded, beside chance."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfexplain import plots, run_files
from dfexplain.errors import DataError
from dfexplain.ui import training
from tests.pages import in_loop
from train import compare, loggers, stats
from train.records import VideoRecord
from train.video_facts import VideoFacts

EPOCHS = [
    {
        "epoch": k,
        "lr": 1e-4 / k,
        "frozen": k == 1,
        "loss": 0.7 / k,
        "acc": 0.5 + 0.1 * k,
        "val_loss": 0.7 / k + 0.02,
        "val_acc": 0.5 + 0.08 * k,
        "val_chance_acc": 0.9188,
        "val_auc": [0.61, 0.83, 0.79][k - 1],
        "val_auc_low": [0.5, 0.74, 0.7][k - 1],
        "val_auc_high": [0.7, 0.9, 0.88][k - 1],
        "val_videos": 80,
        "seconds": 60.0,
    }
    for k in (1, 2, 3)
]


def model(name: str, auc: float, behind: float | None) -> compare.Row:
    row = compare.Row(
        name,
        True,
        422_530,
        2,
        2,
        90.0,
        0.92,
        0.918,
        0.9188,
        0.25,
        auc,
        auc - 0.05,
        auc + 0.05,
        1215,
    )
    if behind is None:
        return row
    return replace(
        row, behind=behind, behind_low=-0.01, behind_high=0.03, p_value=0.4, told_apart=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `fit`, `stats` and `compare` would leave it: 493 real and 5,582 fake videos."""
    out = tmp_path_factory.mktemp("runs") / "my run"
    out.mkdir()
    loggers.write_history(out, EPOCHS)
    records = [VideoRecord(f"{k}.mp4", int(k >= 493), "celeb") for k in range(6075)]
    facts = {r.key: VideoFacts("mp4", "h264", 640, 480, 10.0, 25.0, "") for r in records[:3]}
    stats.write(stats.summarise(records, facts), facts, out)
    table = compare.Compared((model("efficientnet_lstm", 0.9, None), model("cnn", 0.89, 0.01)))
    compare._write_tables(out, table)
    (out / "config.yaml").write_text("name: default # <b>\n")
    return out


def test_a_folder_of_train_is_read_back(folder: Path) -> None:
    found = run_files.read_folder(folder)
    (history,) = found.histories
    assert history.name == "my run"
    assert history.epoch.tolist() == [1, 2, 3]
    assert history.column("val_auc").tolist() == [0.61, 0.83, 0.79]
    assert np.isnan(history.column("frozen")).all()
    assert np.isnan(history.column("unheard of")).all()
    assert found.stats is not None
    whole = found.stats.whole
    assert (whole.real, whole.fake, whole.unlabelled) == (493, 5582, 0)
    assert found.stats.formats == {"mp4 h264": 3}
    assert [m.name for m in found.models] == ["efficientnet_lstm", "cnn"]
    assert found.models[1].told_apart == "no"
    assert found.models[0].number("parameters") == 422_530
    assert found.config == "name: default # <b>\n"


def test_a_csv_says_the_same_as_its_json(folder: Path) -> None:
    for name in ("history", "comparison"):
        of_csv = run_files.read([folder / f"{name}.csv"])
        of_json = run_files.read([folder / f"{name}.json"])
        assert of_csv.models == of_json.models or name == "history"
        for a, b in zip(of_csv.histories, of_json.histories, strict=True):
            assert (a.name, a.epoch.tolist()) == (b.name, b.epoch.tolist())
            np.testing.assert_equal(a.columns["val_auc"], b.columns["val_auc"])
    counted = run_files.read([folder / "stats.csv"]).stats
    told = run_files.read([folder / "stats.json"]).stats
    assert counted is not None
    assert told is not None
    assert counted.parts == told.parts


def test_files_are_told_apart_by_what_they_hold(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a (1).json").write_text(json.dumps({"with": EPOCHS, "without": EPOCHS[:1]}))
    (tmp_path / "b.json").write_bytes((folder / "stats.json").read_bytes())
    found = run_files.read([tmp_path / "a (1).json", tmp_path / "b.json"])
    assert [(h.name, len(h.epoch)) for h in found.histories] == [("with", 3), ("without", 1)]
    assert found.stats is not None


HOSTILE = {
    "no-json.json": b"{",
    "other.json": b'{"hello": 1}',
    "empty.json": b"[]",
    "no-epoch.json": b'[{"loss": 1}]',
    "nan.json": b'[{"epoch": NaN}]',
    "deep.json": b"[" * 50_000,
    "twice.json": b'[{"epoch": 1, "epoch": 2}]',
    "half.json": b'[{"epoch": 1.5}]',
    "long.json": b'[{"epoch": 1}' + b', {"epoch": 2}' * run_files.MOST_ROWS + b"]",
    "name.json": json.dumps({"rows": [{"name": "\x1b[2J", "val_auc": 1}]}).encode(),
    "latin.csv": b"epoch,loss\n1,\xff\n",
    "columns.csv": b"a,b\n1,2\n",
    "count.csv": b"by,value,real,fake\nall,all,-1,2\n",
    "field.csv": b"epoch,loss\n1," + b"9" * 200_000 + b"\n",
    "large.csv": b"epoch\n" + b"1\n" * (run_files.TABLE_BYTES // 2 + 1),
    "large.yaml": b"a" * (run_files.CONFIG_BYTES + 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_other_files_are_refused_in_one_line_that_names_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HOSTILE[name])
    with pytest.raises(DataError) as caught:
        run_files.read([tmp_path / name])
    assert str(caught.value).startswith(f"{name} of the run must")
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


def test_what_lies_elsewhere_or_is_missing_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "history.json").symlink_to(folder / "history.json")
    with pytest.raises(DataError, match="must lie inside its folder"):
        run_files.read_folder(tmp_path)
    with pytest.raises(DataError, match="holds none of them"):
        run_files.read_folder(tmp_path / "nowhere")


def test_the_tab_shows_curves_counts_and_models_beside_chance(folder: Path) -> None:
    page = training.shown(run_files.read_folder(folder))
    assert "my run: best AUC in epoch 2 of 3, 0.830 (0.740 to 0.900; n 80; chance 0.5)." in page
    assert "493 real and 5582 fake videos, 11 fakes a real video." in page
    assert "is right 91.9 % of the time" in page
    assert page.count("<svg") == 7
    assert '<td data-label="told apart"><div>no</div></td>' in page
    assert "n 1215; chance 0.5" in page
    assert "name: default # &lt;b&gt;" in page
    assert page.count("<details") == 1


def test_numbers_beyond_reason_are_left_out_of_the_figures(tmp_path: Path) -> None:
    rows = [{**EPOCHS[0], "loss": 1e300, "val_auc": None, "lr": -1}]
    (tmp_path / "h.json").write_text(json.dumps(rows))
    (tmp_path / "c.csv").write_text("name,val_auc,val_auc_low,val_auc_high\nm,0.7,,\n")
    page = training.shown(run_files.read([tmp_path / "h.json", tmp_path / "c.csv"]))
    assert "best AUC" not in page
    assert "0.700" in page


def test_the_interval_and_chance_are_drawn() -> None:
    epoch = np.array([1, 2, 3])
    table = plots.IntervalTable(
        "run",
        epoch,
        np.array([0.6, 0.8, 0.7]),
        np.array([0.5, 0.7, 0.6]),
        np.array([0.7, 0.9, 0.8]),
    )
    (ax,) = plots.interval_curves([table], "AUC", chance=0.5).axes
    assert ax.lines[0].get_ydata().tolist() == [0.6, 0.8, 0.7]
    assert list(ax.lines[1].get_ydata()) == [0.5, 0.5]
    assert ax.collections[0].get_paths()[0].get_extents().y0 == pytest.approx(0.5)
    (rates,) = plots.rate_curves([("run", epoch, np.array([0.0, 1e-3, 1e-4]))]).axes
    assert rates.lines[0].get_xdata().tolist() == [2, 3]
    assert rates.get_yscale() == "log"


@pytest.mark.parametrize("lowest", [2e-4, 1e-5, 3e-9])
def test_the_marks_of_learning_rates_do_not_stand_on_each_other(lowest: float) -> None:
    rates = np.geomspace(4e-4, lowest, 14)
    figure = plots.rate_curves([("run", np.arange(1, 15), rates)])
    figure.draw_without_rendering()
    (ax,) = figure.axes
    low, high = ax.get_ylim()
    marks = [m for m in ax.get_yticklabels() if low <= m.get_position()[1] <= high]
    boxes = sorted((m.get_window_extent() for m in marks), key=lambda box: box.y0)
    assert len(boxes) >= 1
    assert all(below.y1 <= above.y0 for below, above in itertools.pairwise(boxes))


@pytest.mark.parametrize(
    ("name", "value", "there"),
    [("SPACE_ID", "org/space", False), ("GRADIO_SERVER_NAME", "0.0.0.0", False), ("X", "1", True)],
)
def test_folders_are_named_at_home_only(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, there: bool
) -> None:
    import gradio as gr

    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    monkeypatch.setenv(name, value)

    def made() -> training.Training:
        with gr.Blocks(), gr.Tabs():
            return training.tab()

    assert (in_loop(made).folder is not None) is there
