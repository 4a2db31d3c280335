"""What a weights folder may hold, and everything that is refused."""

from __future__ import annotations

import json
import os
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from dfexplain import hub, weights_folder
from dfexplain.errors import SettingError, WeightsError, WeightsNotFound, WeightsRefused
from dfexplain.models.config import BACKBONES
from tests import small_weights as small
from tests.weights_corpus import CONFIG, MODEL, REFUSED, calibration_with


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file."""
    folder = tmp_path_factory.mktemp("weights") / "whole"
    hub.save(
        folder,
        config=small.CONFIG,
        state=small.state(),
        heat_scale=1.5,
        card="# Card\n",
        calibration=small.calibration(max_distance=30.0),
        out_of_distribution=small.out_of_distribution(),
    )
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(WeightsRefused) as caught:
        hub.load(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_load_gives_back_what_was_saved(whole: Path) -> None:
    weights = hub.load(whole)
    assert weights.label == "whole@local"
    assert weights.config == small.CONFIG
    assert weights.heat_scale == 1.5
    assert weights.card == "# Card\n"
    assert weights.info.sha256 == hub.sha256_of(small.state())
    assert weights.info.calibrated
    assert weights.uncalibrated_because is None
    assert weights.calibration is not None
    assert weights.calibration.weights_sha256 == weights.info.sha256
    np.testing.assert_array_equal(weights.calibration.scores, small.calibration().scores)
    for key, tensor in small.state().items():
        assert torch.equal(weights.state[key], tensor)
    gate = weights.out_of_distribution
    assert gate is not None
    np.testing.assert_array_equal(gate.components, small.out_of_distribution().components)


def test_equal_weights_give_equal_bytes(whole: Path, tmp_path: Path) -> None:
    weights = hub.load(whole)
    hub.save(
        tmp_path / "whole",
        config=weights.config,
        state=dict(reversed(weights.state.items())),
        heat_scale=weights.heat_scale,
        card=weights.card,
        golden=json.loads((whole / "golden.json").read_text()),
        calibration=weights.calibration,
        out_of_distribution=weights.out_of_distribution,
    )
    assert small.files_of(tmp_path / "whole") == small.files_of(whole)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_comes_back_in_the_dtype_of_the_model(
    whole: Path, tmp_path: Path, dtype: torch.dtype
) -> None:
    files = small.files_of(whole)
    tensors = safetensors.torch.load(files[MODEL])
    halves = {k: v.to(dtype) if v.is_floating_point() else v for k, v in tensors.items()}
    weights = hub.load(small.write(tmp_path, small.sealed(files, safetensors.torch.save(halves))))
    assert weights.state["head.weight"].dtype == torch.float32
    torch.testing.assert_close(
        weights.state["head.weight"], tensors["head.weight"].to(dtype).float()
    )


@pytest.mark.parametrize("case", REFUSED)
def test_refused(whole: Path, tmp_path: Path, case: str) -> None:
    change, expected = REFUSED[case]
    message = refusal(small.write(tmp_path / "x", change(small.files_of(whole))))
    assert re.search(expected, message), message
    assert "x@local" in message


@pytest.mark.parametrize("name", [MODEL, CONFIG])
def test_a_folder_without_its_two_files_is_refused(whole: Path, tmp_path: Path, name: str) -> None:
    files = small.files_of(whole)
    del files[name]
    message = refusal(small.write(tmp_path, files))
    assert message.startswith(f"{name} of ")
    assert "docs/weights_format.md" in message


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.place),))

    def __init__(self, place: Path) -> None:
        self.place = place


@pytest.mark.parametrize("name", ["model.bin", "best.pt", "last.ckpt"])
def test_a_pickle_is_never_opened(tmp_path: Path, name: str) -> None:
    burst = tmp_path / "burst"
    folder = small.write(tmp_path / "x", {name: pickle.dumps(Bomb(burst)), CONFIG: b"{}"})
    assert "safetensors" in refusal(folder)
    with pytest.raises(WeightsRefused, match="safetensors"):
        hub.load(folder / name)
    assert not burst.exists()


def test_further_files_are_not_opened(whole: Path, tmp_path: Path) -> None:
    burst = tmp_path / "burst"
    further = {"model.bin": pickle.dumps(Bomb(burst)), "modeling.py": b"raise SystemExit"}
    folder = small.write(tmp_path / "x", small.files_of(whole) | further)
    (folder / "neighbours").mkdir()
    os.mkfifo(folder / "pipe")
    assert hub.load(folder).info.calibrated
    assert not burst.exists()


def test_a_huge_file_is_refused_before_it_is_read(whole: Path, tmp_path: Path) -> None:
    folder = small.write(tmp_path, small.files_of(whole))
    os.truncate(folder / MODEL, 2**29 + 1)
    assert "at most 536870912 bytes" in refusal(folder)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("outside", "inside its folder, but got a link"),
        ("nowhere", "readable"),
        (MODEL, "readable"),
        ("pipe", "be a plain file"),
        (".", "be a plain file"),
    ],
)
def test_links_and_odd_files_are_refused(
    whole: Path, tmp_path: Path, target: str, expected: str
) -> None:
    folder = small.write(tmp_path / "x", small.files_of(whole))
    (tmp_path / "outside").write_bytes((folder / MODEL).read_bytes())
    (folder / MODEL).unlink()
    os.mkfifo(folder / "pipe")
    (folder / MODEL).symlink_to(tmp_path / target if target == "outside" else folder / target)
    assert expected in refusal(folder)


def test_a_link_inside_the_folder_is_followed(whole: Path, tmp_path: Path) -> None:
    folder = small.write(tmp_path / "x", small.files_of(whole))
    (folder / MODEL).rename(folder / "blob")
    (folder / MODEL).symlink_to("blob")
    (tmp_path / "link").symlink_to(folder)
    assert hub.load(tmp_path / "link").label == "x@local"


def test_weights_without_calibration_say_why(whole: Path, tmp_path: Path) -> None:
    files = small.files_of(whole)
    del files["calibration.json"]
    weights = hub.load(small.write(tmp_path / "none", files))
    assert (weights.calibration, weights.info.calibrated) == (None, False)
    assert weights.uncalibrated_because == "the weights came without calibration.json"

    files = calibration_with(weights_sha256="0" * 64)(small.files_of(whole))
    weights = hub.load(small.write(tmp_path / "other", files))
    assert (weights.calibration, weights.info.calibrated) == (None, False)
    assert weights.uncalibrated_because == "calibration.json was measured with other weights"


def test_loading_leaves_the_random_numbers_alone(whole: Path) -> None:
    before = torch.random.get_rng_state()
    hub.load(whole)
    assert torch.equal(torch.random.get_rng_state(), before)


def save(folder: Path, **changes: object) -> hub.Weights:
    given: dict[str, object] = {
        "config": small.CONFIG,
        "state": small.state(),
        "heat_scale": 1.0,
        "card": "card",
    }
    return hub.save(folder, **(given | changes))  # type: ignore[arg-type]


def test_save_replaces_older_weights(whole: Path, tmp_path: Path) -> None:
    small.write(tmp_path / "run", small.files_of(whole))
    saved = save(tmp_path / "run", state=small.state(1))
    assert saved.info.sha256 == hub.sha256_of(small.state(1))
    assert hub.load(tmp_path / "run").info == saved.info
    assert set(small.files_of(tmp_path / "run")) == {MODEL, CONFIG, "golden.json", "README.md"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"heat_scale": float("nan")}, "heat_scale must lie in"),
        ({"heat_scale": -1.0}, "heat_scale must lie in"),
        ({"state": {**small.state(), "head.bias": torch.tensor([torch.nan])}}, "finite values"),
        ({"state": {"head.bias": torch.zeros(1)}}, "exactly the tensors"),
        (
            {"calibration": replace(small.calibration(), weights_sha256="f" * 64)},
            "calibration must belong to the weights",
        ),
        ({"out_of_distribution": small.out_of_distribution(7)}, "mean of shape"),
        ({"golden": {"logits": []}}, "golden.json"),
    ],
)
def test_a_save_that_fails_leaves_the_older_weights(
    whole: Path, tmp_path: Path, changes: dict[str, object], expected: str
) -> None:
    kept = small.files_of(small.write(tmp_path / "run", small.files_of(whole)))
    with pytest.raises((SettingError, WeightsError), match=expected):
        save(tmp_path / "run", **changes)
    assert small.files_of(tmp_path / "run") == kept
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_save_leaves_other_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(SettingError, match="new or hold weights only"):
        save(tmp_path)
    with pytest.raises(SettingError, match="folder must be one that can be written"):
        save(tmp_path / "diary.txt" / "run", golden={})
    assert (tmp_path / "diary.txt").read_text() == "dear diary"


def test_read_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFound, match="must be a folder"):
        weights_folder.read(tmp_path / "none")


def test_the_document_names_every_file_and_limit() -> None:
    text = (Path(__file__).parents[1] / "docs" / "weights_format.md").read_text()
    for name, limit in weights_folder.FILES.items():
        size = f"{limit >> 20} MiB" if limit >= 2**20 else f"{limit >> 10} KiB"
        assert re.search(rf"^\| `{re.escape(name)}` \| (yes|no) \| {size} \|", text, re.MULTILINE)
    for suffix in weights_folder.PICKLES:
        assert f"`{suffix}`" in text
    for key in (*small.CONFIG.to_dict(), "format", "heat_scale", "sha256"):
        assert f"`{key}`" in text
    for backbone in BACKBONES:
        assert f'`"{backbone}"`' in text
