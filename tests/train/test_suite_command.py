"""The release measurement by its command: on a clean clone, and on portraits."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from itertools import count
from pathlib import Path

import cv2
import pytest

from dfexplain import hub
from dfexplain.release_checks import empty_rows
from tests import small_weights as small
from tests.train.faces import FOLDER
from train import made_clips
from train.__main__ import main
from train.forgeries import RECIPES
from train.made_clips import ClipSet
from train.portraits import split_of
from train.records import read_crops
from train.suite import changed, measuring, probe
from train.suite.shipped import CROPS, EXAMPLES


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.publishable(tmp_path_factory.mktemp("suite") / "weights")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Crops that are changed on purpose: enough to see the table."""
    monkeypatch.setattr(changed, "EACH", 4)


def test_the_crops_that_ship_are_of_test_people_and_small() -> None:
    rows = read_crops(CROPS / "crops.csv")
    labels = Counter(row.video.label for row in rows)
    assert labels[0] == labels[1] >= 100
    shares = Counter(row.video.method for row in rows if row.video.label)
    assert set(shares) == set(RECIPES)
    assert max(shares.values()) - min(shares.values()) <= 1
    assert {split_of(name) for row in rows for name in row.video.identities} == {"test"}
    files = {row.file for row in rows}
    assert files == {p.relative_to(CROPS).as_posix() for p in CROPS.rglob("*.jpg")}
    for row in rows[::25]:
        assert cv2.imread(str(CROPS / row.file)).shape == (192, 192, 3)
    assert sum(p.stat().st_size for p in CROPS.parent.rglob("*") if p.is_file()) < 10e6


def test_a_clean_clone_measures_on_what_ships_and_says_n_and_chance(
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("DFEXPLAIN_DATA", raising=False)
    run = ["evaluate", "--weights", str(weights), "--resamples", "40", "--out", str(tmp_path)]
    assert main([*run, "--record"]) == 0
    told = capsys.readouterr().out
    rows = len(read_crops(CROPS / "crops.csv"))
    assert f"n {rows}; chance 0.5" in told
    assert "no_face.mp4" in told
    assert "not measured yet" in told
    recorded = hub.load(str(weights))
    assert recorded.evaluation is not None
    assert recorded.evaluation.weights_sha256 == recorded.info.sha256
    assert "Held-out crops in examples/crops" in recorded.card
    assert empty_rows(recorded.card) == []
    data = json.loads((tmp_path / "evaluation.json").read_text("utf-8"))
    assert [t["key"] for t in data["tables"]] == [t.key for t in recorded.evaluation.tables]


def data_folder(root: Path) -> Path:
    """Portraits of three test people and three validation people, with two faces between them."""
    pictures = sorted(FOLDER.glob("*.jpg"))
    (root / "portraits").mkdir(parents=True)
    with (root / "portraits.csv").open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(["file", "identity", "licence"])
        for split in ("test", "val"):
            names = (f"{split}-{i}" for i in count())
            own = (name for name in names if split_of(name) == split)
            for picture, name in zip(pictures, own, strict=False):
                shutil.copy(picture, root / "portraits" / f"{name}.jpg")
                table.writerow([f"{name}.jpg", name, "public domain"])
    return root


def test_portraits_give_all_tables_and_labelled_clips_come_last(
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = data_folder(tmp_path / "data")
    monkeypatch.setenv("DFEXPLAIN_DATA", str(data))
    monkeypatch.setattr(made_clips, "RELEASE", ClipSet(seed=1, each=1))
    monkeypatch.setattr(made_clips, "FILMED_RELEASE", ClipSet(seed=2, each=1, filmed=True))
    monkeypatch.setattr(probe, "PAIRS", 1)
    (data / "clips").mkdir()
    (data / "clips.csv").write_text("file,label,original\na.mp4,0,\nb.mp4,1,a.mp4\n", "utf-8")
    for name, source in (("a", "untouched"), ("b", "forged")):
        shutil.copy(EXAMPLES / f"{source}.mp4", data / "clips" / f"{name}.mp4")
    run = ["evaluate", "--weights", str(weights), "--resamples", "40"]
    run += ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    assert main(run) == 0
    assert "fakes above their own original" in capsys.readouterr().out
    data_of = json.loads((tmp_path / "out" / "evaluation.json").read_text("utf-8"))
    assert [t["key"] for t in data_of["tables"]] == [
        "made", "filmed", "both", "made_recipes", "made_kinds", "made_crf", "made_face_px",
        "groups", "robustness", "gate", "probe", "clips", "clips_each", "changed", "pointing",
    ]  # fmt: skip
    # Such as three portraits leave unmeasured is said in words: a card may not have an empty cell.
    assert empty_rows((tmp_path / "out" / "evaluation.md").read_text("utf-8")) == []
    made = dict(data_of["tables"][0]["rows"])
    assert made["clips with a score (coverage)"]["n"] == 6
    filmed = dict(data_of["tables"][1]["rows"])
    assert filmed["clips with a score (coverage)"]["n"] == 6
    both = dict(data_of["tables"][2]["rows"])
    assert both["clips with a score (coverage)"]["n"] == 12
    # Labelled clips are not looked at where they are not asked for.
    shutil.rmtree(data / "clips")
    monkeypatch.setattr(measuring, "_portraits", lambda *_: ([], []))
    assert main([*run, "--made-only"]) == 0
    told = capsys.readouterr().out
    assert "Labelled clips" not in told
    assert "Not measured on genuine deepfakes" in told


def test_options_of_the_release_and_of_tables_do_not_mix(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["evaluate", "--weights", str(weights)]
    assert main([*run, "--robustness"]) == 2
    assert "must come with --csv, --videos or --data" in capsys.readouterr().err
    assert main([*run, "--record", "--quick"]) == 2
    assert "--record must come without --quick" in capsys.readouterr().err
    assert main(["evaluate", "--weights", "org/name", "--record"]) == 2
    assert "--record must come with a local weights folder" in capsys.readouterr().err
    assert main([*run, "--record", "--csv", "t.csv"]) == 2
    assert "must come with --weights alone" in capsys.readouterr().err
