"""leave_out.py: a run without each recipe, measured on that recipe beside the run with all."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfexplain.structures import Number
from tests.train.faces import portraits
from train import config, leave_out, loop
from train.__main__ import main
from train.forgeries import RECIPES

SETTINGS = {
    "name": "short",
    "model": {"backbone": "mobilenetv3_small_100", "crop_px": 64, "crop_margin": 0.1},
    "data": {"workers": 0, "batch_size": 4, "moving": False},
    "run": {"epochs": 1, "pretrained": False, "save_every_epoch": False},
}


def test_each_run_never_draws_its_recipe_and_is_measured_on_it(tmp_path: Path) -> None:
    people = list(portraits())
    data, said = loop.PortraitsData(people, people), list[str]()
    asked = (config.from_dict(SETTINGS), data, people, tmp_path, ("warp", "blend"))
    found = leave_out.leave_out(*asked, said.append)
    assert [row.recipe for row in found] == ["warp", "blend"]
    for row in found:
        for number in (row.unseen, row.seen):
            assert number.n == 2 * leave_out.DRAWS * len(people)
            assert number.value is not None
            assert 0.0 <= number.value <= 1.0
            assert number.low is not None
    for name, left in (("all", ""), ("warp", "warp"), ("blend", "blend")):
        assert config.read(tmp_path / name / "config.yaml").data.left_out == left
    # Another time nothing is trained again, and everything is measured the same.
    before = [(tmp_path / row.recipe / "history.json").stat().st_mtime_ns for row in found]
    assert leave_out.leave_out(*asked, said.append) == found
    after = [(tmp_path / row.recipe / "history.json").stat().st_mtime_ns for row in found]
    assert after == before


def test_the_table_has_a_row_a_recipe_and_the_means() -> None:
    rows = [
        leave_out.Unseen("warp", *(Number(v, v - 0.1, v + 0.1, 16, 0.5) for v in (0.6, 0.8))),
        leave_out.Unseen("blend", *(Number(v, v - 0.1, v + 0.1, 16, 0.5) for v in (0.7, 0.9))),
    ]
    assert leave_out.lines(rows)[2:] == [
        "| warp | 0.600 (0.500 to 0.700; n 16; chance 0.5) "
        "| 0.800 (0.700 to 0.900; n 16; chance 0.5) |",
        "| blend | 0.700 (0.600 to 0.800; n 16; chance 0.5) "
        "| 0.900 (0.800 to 1.000; n 16; chance 0.5) |",
        "| mean | 0.650 | 0.850 |",
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--recipes", "blend,glue"], "--recipes must name some of blend"),
        (["--set", "data.left_out=warp"], "data.left_out must be empty here"),
        (["--config", "train/configs/edge.yaml"], "loss.teacher must be empty here"),
        (["--config", "train/configs/second.yaml"], "run.init must be empty here"),
    ],
)
def test_what_cannot_be_left_out_is_one_line(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert RECIPES[0] == "blend"
    assert main(["leave-out", "--run", str(tmp_path), *options]) == 2
    assert says in capsys.readouterr().err
