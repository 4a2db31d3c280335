"""before.py: a config that names others is fitted after them, with what they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from dfexplain.errors import SettingError
from tests.train.crops import crops_data
from tests.train.test_fit import SETTINGS, quiet
from train import config, loop
from train.before import fit_all
from train.datasets import CropsData

LOSS = {"teacher": "one.yaml", "specialist": "two.yaml", "distil": 0.5, "mirror": True}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CropsData:
    return crops_data(tmp_path_factory.mktemp("data"))


def write(folder: Path, name: str, **sections: Any) -> Path:
    run = SETTINGS["run"] | {"epochs": 1} | sections.pop("run", {})
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**SETTINGS, "name": name, "run": run, **sections}))
    return path


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """one; two begins with it; three begins with one, which teaches it together with two."""
    write(tmp_path, "one")
    write(tmp_path, "two", run={"init": "one.yaml"})
    return write(tmp_path, "three", run={"init": "one.yaml"}, loss=LOSS)


def best(run: Path) -> dict[str, Any]:
    found = loop.load_checkpoint(run)
    assert found is not None
    return found


def test_each_is_fitted_once_and_in_order(chain: Path, data: CropsData, tmp_path: Path) -> None:
    run, lines = tmp_path / "run", list[str]()
    fit_all(chain, ["data.workers=0", "optimiser.lr=2e-3"], lambda _: data, run, lines.append)
    said = [line for line in lines if line.startswith(("before", "teacher"))]
    assert said[:2] == [
        "before three.yaml: one.yaml, in one",
        "before three.yaml: two.yaml, in two",
    ]
    assert said[2].startswith("teacher: one, and two for 0.2 of the forgeries")
    assert len(said) == 3
    # By hand the same numbers come out.
    own = {p.stem: config.read(p) for p in chain.parent.glob("*.yaml")}
    one, two = (tmp_path / "hand" / name for name in ("one", "two"))
    loop.fit(own["one"], data, one, quiet)
    with pytest.raises(SettingError, match=r"run\.init must hold weights, but got 'one\.yaml'"):
        loop.fit(own["two"], data, two, quiet)
    loop.fit(own["two"], data, two, quiet, init=one)
    settings = config.read(chain, ["optimiser.lr=2e-3"])
    found = {"one.yaml": one, "two.yaml": two}
    hand = loop.fit(settings, data, tmp_path / "hand" / "three", quiet, before=found)
    for folder, state in (
        ("before/one", best(one)["averaged"]),
        ("before/two", best(two)["averaged"]),
        ("", hand.model.state_dict()),
    ):
        made = best(run / folder)["averaged"]
        assert all(torch.equal(made[key], state[key]) for key in state), folder
    # The settings that are kept name configs and no folders of a machine.
    assert best(run)["settings"]["loss"]["specialist"] == "two.yaml"
    assert best(run)["settings"]["optimiser"]["lr"] == 2e-3
    assert best(run / "before" / "one")["settings"]["optimiser"]["lr"] != 2e-3
    # Once more: nothing is left to do.
    again: list[str] = []
    fit_all(chain, ["optimiser.lr=2e-3"], lambda _: data, run, again.append)
    assert not [line for line in again if line.startswith(("epoch", "{"))]


def test_an_option_takes_the_place_of_what_would_begin(
    chain: Path, data: CropsData, tmp_path: Path
) -> None:
    two = chain.with_name("two.yaml")
    given = loop.fit(config.read(chain.with_name("one.yaml")), data, tmp_path / "given", quiet)
    lines: list[str] = []
    fit_all(two, [], lambda _: data, tmp_path / "run", lines.append, init=given.run_dir)
    assert not (tmp_path / "run" / "before").exists()
    assert not [line for line in lines if line.startswith("before")]
    # What it is still wanted for as a teacher comes before all the same.
    fit_all(chain, [], lambda _: data, tmp_path / "other", lines.append, init=given.run_dir)
    assert [line for line in lines if line.startswith("before")] == [
        "before three.yaml: one.yaml, in one",
        "before three.yaml: two.yaml, in two",
    ]


def test_what_comes_before_itself_is_one_line(data: CropsData, tmp_path: Path) -> None:
    write(tmp_path, "one", run={"init": "two.yaml"})
    two = write(tmp_path, "two", run={"init": "one.yaml"})
    with pytest.raises(SettingError, match=r"got two\.yaml > one\.yaml > two\.yaml\. Take one out"):
        fit_all(two, [], lambda _: data, tmp_path / "run", quiet)
    lost = write(tmp_path, "lost", run={"init": "nowhere.yaml"})
    with pytest.raises(SettingError, match=r"--config must be a file, but got '.*nowhere\.yaml'"):
        fit_all(lost, [], lambda _: data, tmp_path / "run", quiet)
