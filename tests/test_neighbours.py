"""Training crops beside a flagged one: the index in the weights folder, and the nearest (N17)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.torch
import torch

from dfexplain import hub
from dfexplain.engine import Engine
from dfexplain.errors import WeightsRefused
from dfexplain.explain.neighbours import nearest
from dfexplain.structures import NeighbourIndex
from tests import small_weights as small
from tests.train.faces import portraits
from train import neighbours
from train.material import PortraitMaterial, TableMaterial


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = {"config": small.CONFIG, "state": small.state(), "heat_scale": 1.0, "card": "card"}
    folder = tmp_path_factory.mktemp("weights") / "mine"
    hub.save(folder, neighbours=small.neighbours(), **given)  # type: ignore[arg-type]
    return folder


def test_the_nearest_are_found_by_direction_and_in_order() -> None:
    index = small.neighbours()
    wanted = np.zeros(576, np.float32)
    wanted[[4, 1]] = 30.0, 20.0
    found = nearest(index, wanted, 3)
    assert [one.label for one in found[:2]] == [0, 1]
    np.testing.assert_array_equal(found[0].thumbnail_rgb, index.thumbnails[4])
    np.testing.assert_array_equal(found[1].thumbnail_rgb, index.thumbnails[1])
    assert 1.0 > found[0].likeness > found[1].likeness > found[2].likeness
    # A cosine: what is longer is no nearer.
    again = nearest(index, wanted * 7, 3)
    assert [n.likeness for n in again] == pytest.approx([n.likeness for n in found])
    assert len(nearest(index, wanted, 99)) == len(index)


def test_features_of_other_weights_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"features must be \(576,\) finite numbers"):
        nearest(small.neighbours(), np.zeros(3, np.float32), 2)
    with pytest.raises(ValueError, match="k must be 1 or more"):
        nearest(small.neighbours(), np.zeros(576, np.float32), 0)


def test_an_index_travels_in_the_weights_folder(folder: Path) -> None:
    found = hub.load(folder).neighbours
    assert found is not None
    for key, value in vars(small.neighbours()).items():
        np.testing.assert_array_equal(getattr(found, key), value)
        assert getattr(found, key).dtype == value.dtype
    assert (folder / "neighbours.safetensors").stat().st_size <= 2**22


def test_rows_that_do_not_fit_each_other_are_no_index() -> None:
    index = small.neighbours()
    with pytest.raises(ValueError, match="a label and a thumbnail"):
        replace(index, labels=index.labels[:3])
    with pytest.raises(ValueError, match="features and labels 0 or 1"):
        NeighbourIndex(index.features, index.labels + 1, index.thumbnails)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"features": torch.zeros(6, 575, dtype=torch.float16)}, "hold features of shape"),
        ({"features": torch.zeros(6, 576)}, "hold features as F16"),
        ({"features": torch.full((6, 576), torch.nan, dtype=torch.float16)}, "finite values"),
        ({"labels": torch.full((6,), 2, dtype=torch.uint8)}, "rows that fit each other"),
        ({"labels": torch.zeros(5, dtype=torch.uint8)}, "rows that fit each other"),
        ({"thumbnails": torch.zeros(6, 47, 48, 3, dtype=torch.uint8)}, "hold thumbnails of shape"),
        ({"names": torch.zeros(6)}, "further"),
    ],
)
def test_an_index_that_is_odd_is_refused(
    folder: Path, tmp_path: Path, changed: dict[str, torch.Tensor], says: str
) -> None:
    files = small.files_of(folder)
    tensors = safetensors.torch.load(files["neighbours.safetensors"])
    sha256 = hub.load(folder).info.sha256
    data = safetensors.torch.save(tensors | changed, metadata={"weights_sha256": sha256})
    spoilt = small.write(tmp_path / "x", files | {"neighbours.safetensors": data})
    with pytest.raises(WeightsRefused, match=rf"neighbours\.safetensors of x@local .*{says}"):
        hub.load(spoilt)


def test_an_index_is_made_of_training_portraits_and_of_nothing_else() -> None:
    engine = Engine(small.CONFIG, small.state())
    people = portraits()
    made = neighbours.index(engine, PortraitMaterial(people, people[:1]))
    assert made is not None
    assert made.labels.tolist() == [0] * len(people) + [1] * len(people)
    assert made.features.shape == (len(made), engine.model.width)
    crops = {label: c for c, label in PortraitMaterial(people, []).crops("train", small.CONFIG, 99)}
    # Each crop is its own nearest neighbour, and looks like it.
    found = nearest(made, engine.run(crops[1][:1]).features[0], 1)[0]
    assert found.label == 1
    assert found.likeness == pytest.approx(1.0, abs=1e-3)
    small_one = cv2.resize(crops[1][0], (48, 48), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(found.thumbnail_rgb, small_one)
    # Faces of research data sets stay where they are.
    assert neighbours.index(engine, TableMaterial([], [], Path())) is None


def test_an_index_of_other_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    files = small.files_of(folder)
    tensors = safetensors.torch.load(files["neighbours.safetensors"])
    data = safetensors.torch.save(tensors, metadata={"weights_sha256": "0" * 64})
    spoilt = small.write(tmp_path / "x", files | {"neighbours.safetensors": data})
    with pytest.raises(WeightsRefused, match="carry the metadata"):
        hub.load(spoilt)
