"""What a weights folder may hold, and everything that is refused."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable
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

Files = dict[str, bytes]
MODEL, CONFIG = "model.safetensors", "config.json"
VARIANCE = "backbone.bn1.running_var"


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


def config_with(**values: object) -> Callable[[Files], Files]:
    return lambda files: files | {CONFIG: json.dumps(json.loads(files[CONFIG]) | values).encode()}


def config_text(old: str, new: str) -> Callable[[Files], Files]:
    def change(files: Files) -> Files:
        text = files[CONFIG].decode()
        assert re.search(old, text)
        return files | {CONFIG: re.sub(old, new, text, count=1).encode()}

    return change


def file(name: str, data: bytes) -> Callable[[Files], Files]:
    return lambda files: files | {name: data}


def header(old: str, new: str) -> Callable[[Files], Files]:
    return lambda files: small.sealed(files, small.altered_header(files[MODEL], old, new))


def tensors(**changes: torch.Tensor | None) -> Callable[[Files], Files]:
    return lambda files: small.sealed(files, small.altered_tensors(files[MODEL], **changes))


def model_bytes(change: Callable[[bytes], bytes]) -> Callable[[Files], Files]:
    return lambda files: small.sealed(files, change(files[MODEL]))


def overlapping(model: bytes) -> bytes:
    """Two tensors of one size that share their bytes; nobody owns the other's."""
    start = 8 + int.from_bytes(model[:8], "little")
    offsets = {k: v.get("data_offsets") for k, v in json.loads(model[8:start]).items()}
    old, new = (offsets[f"backbone.bn1.{name}"] for name in ("running_mean", "running_var"))
    return small.altered_header(model, *(f'"data_offsets":[{a},{b}]' for a, b in (old, new)))


def calibration_with(**values: object) -> Callable[[Files], Files]:
    name = "calibration.json"
    return lambda files: files | {name: json.dumps(json.loads(files[name]) | values).encode()}


def gate(**changes: np.ndarray | None) -> Callable[[Files], Files]:
    def change(files: Files) -> Files:
        name = "out_of_distribution.safetensors"
        arrays = {k: v.numpy() for k, v in safetensors.torch.load(files[name]).items()} | changes
        sha256 = json.loads(files[CONFIG])["sha256"]
        data = safetensors.torch.save(
            {k: torch.from_numpy(v) for k, v in arrays.items() if v is not None},
            {"weights_sha256": sha256},
        )
        return files | {name: data}

    return change


HEAD = torch.zeros(1, 576)
REFUSED: dict[str, tuple[Callable[[Files], Files], str]] = {
    # config.json
    "config is not JSON": (file(CONFIG, b"{"), "config.json .* valid JSON"),
    "config is a list": (file(CONFIG, b"[]"), "config.json .* JSON object"),
    "config is not text": (file(CONFIG, b"\xff\xfe{}"), "config.json .* valid JSON"),
    "config is too large": (file(CONFIG, b" " * 70_000), "config.json .* at most 65536 bytes"),
    "config is too deep": (file(CONFIG, b"[" * 60_000), "config.json .* valid JSON"),
    "config key twice": (config_text(r"\{", '{"crop_px": 64,'), "key twice: crop_px"),
    "config key unknown": (config_with(run="rm"), r"known keys only, but got \['run'\]"),
    "config of a later format": (config_with(format=2), "format 1, but got 2"),
    "config format true": (config_with(format=True), "format 1, but got True"),
    "config number endless": (config_text(r'"crop_px": 64', f'"crop_px": {"9" * 5000}'), "digits"),
    "heat_scale NaN": (config_text(r'"heat_scale": 1.5', '"heat_scale": NaN'), "not finite: NaN"),
    "heat_scale inf": (config_text(r'"heat_scale": 1.5', '"heat_scale": 1e999'), "not finite"),
    "heat_scale 0": (config_with(heat_scale=0), "heat_scale in 0.*but got 0"),
    "heat_scale text": (config_with(heat_scale="1"), "heat_scale .*but got '1'"),
    "heat_scale true": (config_with(heat_scale=True), "heat_scale .*but got True"),
    "sha256 too short": (config_with(sha256="ab"), "sha256 of 64 hex digits"),
    "sha256 a number": (config_with(sha256=7), "sha256 of 64 hex digits"),
    "backbone from elsewhere": (config_with(backbone="hf-hub:a/b"), "backbone must be one of"),
    "backbone a list": (config_with(backbone=["resnet18"]), "backbone must be of type str"),
    "crop_px too small": (config_with(crop_px=8), "crop_px must lie in 32..512, but got 8"),
    "mean of two": (config_with(mean=[0.5, 0.5]), "mean must be a list of three"),
    "mean missing": (config_text(r'"mean"', '"means"'), r"\['means'\]"),
    "another model": (config_with(backbone="resnet18"), "exactly the tensors"),
    # model.safetensors
    "model altered": (
        lambda files: files | {MODEL: files[MODEL][:-1] + b"\x7f"},
        "have the sha256 .* of config.json",
    ),
    "model cut": (lambda files: files | {MODEL: files[MODEL][:5000]}, "have the sha256"),
    "model cut and vouched for": (model_bytes(lambda m: m[:-4]), "be a safetensors file"),
    "model empty": (model_bytes(lambda m: b""), "no valid header length"),
    "model a pickle": (model_bytes(lambda m: pickle.dumps([1])), "no valid header length"),
    "header longer than the file": (
        model_bytes(lambda m: (2**40).to_bytes(8, "little") + m[8:]),
        "no valid header length",
    ),
    "header no JSON": (header("{", "["), "valid JSON"),
    "key twice": (
        header('"head.bias":', '"head.bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
               '"head.bias":'),
        "key twice: head.bias",
    ),
    "key missing": (tensors(head__bias=None), r"1 missing \['head.bias'\], 0 further"),
    "key further": (tensors(evil=torch.zeros(1)), r"0 missing \[\], 1 further \['evil'\]"),
    "entry no object": (header('"head.bias":{', '"head.bias":7,"x":{'), "1 further"),
    "shape": (tensors(head__weight=torch.zeros(1, 577)), r"head.weight of shape \[1, 576\]"),
    "dimensions": (tensors(head__weight=torch.zeros(576)), r"head.weight of shape \[1, 576\]"),
    "dtype F64": (tensors(head__weight=HEAD.double()), "head.weight as BF16 or F16 or F32.*'F64'"),
    "dtype I64": (tensors(head__weight=HEAD.long()), "head.weight as .*'I64'"),
    "count as float": (
        tensors(backbone__bn1__num_batches_tracked=torch.tensor(1.0)),
        "num_batches_tracked as I64, but got 'F32'",
    ),
    "NaN": (tensors(head__weight=HEAD.index_fill(1, torch.tensor([3]), torch.nan)), "finite"),
    "infinity": (tensors(head__weight=(HEAD + torch.inf).half()), "finite values in head.weight"),
    "negative variance": (
        tensors(backbone__bn1__running_var=-torch.ones(16)),
        f"negative variance in {VARIANCE}",
    ),
    "metadata unknown": (header('{"format":"pt"}', '{"format":"pt","x":"<script>"}'), "metadata"),
    "metadata no text": (header('{"format":"pt"}', '{"format":1}'), "metadata"),
    "metadata no object": (header('{"format":"pt"}', '"pt"'), "metadata"),
    "offsets overlap": (model_bytes(overlapping), "be a safetensors file"),
    # the others
    "calibration no JSON": (file("calibration.json", b"nan"), "calibration.json .* valid JSON"),
    "calibration key missing": (file("calibration.json", b"{}"), "exactly its keys"),
    "calibration slope": (calibration_with(slope=-1), "calibration.json .* slope must"),
    "calibration of the wrong type": (calibration_with(reliability=3), "reliability must"),
    "gate of other width": (
        gate(mean=np.zeros(9, np.float32)),
        r"out_of_distribution.safetensors .* mean of shape \[576\]",
    ),
    "gate not finite": (gate(mean=np.full(576, np.nan, np.float32)), "finite values in mean"),
    "gate variance zero": (gate(variances=np.zeros(3, np.float32)), "3 positive variances"),
    "gate variance missing": (gate(variances=np.ones(2, np.float32)), "3 positive variances"),
    "gate without components": (gate(components=None), r"missing \['components'\]"),
    "gate in float64": (gate(mean=np.zeros(576)), "mean as F32, but got 'F64'"),
    "gate of other weights": (
        lambda files: files | {
            "out_of_distribution.safetensors": small.altered_header(
                files["out_of_distribution.safetensors"], json.loads(files[CONFIG])["sha256"],
                "0" * 64)
        },
        "out_of_distribution.safetensors .* metadata",
    ),
    "gate missing": (
        lambda files: {k: v for k, v in files.items() if not k.startswith("out_of")},
        "out_of_distribution.safetensors .* be there, as calibration.json sets max_distance",
    ),
    "golden incomplete": (file("golden.json", b'{"logits": []}'), "golden.json"),
    "golden of other weights": (
        lambda files: files | {
            "golden.json": files["golden.json"].replace(
                json.loads(files[CONFIG])["sha256"].encode(), b"0" * 64)
        },
        "golden.json .* belong to the weights",
    ),
    "card no text": (file("README.md", b"\xff\xff"), "README.md .* UTF-8"),
    "card too large": (file("README.md", b"x" * 300_000), "README.md .* at most 262144 bytes"),
}  # fmt: skip


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
    assert "train export --from" in refusal(folder)
    with pytest.raises(WeightsRefused, match="train export --from"):
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
