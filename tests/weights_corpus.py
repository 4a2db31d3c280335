"""Weights folders that must be refused: how each is made, and what its refusal must say."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
from collections.abc import Callable

import numpy as np
import safetensors.torch
import torch

from tests import small_weights as small

Files = dict[str, bytes]
MODEL, CONFIG = "model.safetensors", "config.json"
VARIANCE = "backbone.bn1.running_var"


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


class Bomb:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, ("burst",))


def saved_by_torch() -> bytes:
    """What `torch.save` writes: a pickle in an archive."""
    buffer = io.BytesIO()
    torch.save({"head.bias": torch.zeros(1), "bomb": Bomb()}, buffer)
    return buffer.getvalue()


def saved_by_numpy() -> bytes:
    """An archive of arrays, one of them of objects."""
    buffer = io.BytesIO()
    np.savez(buffer, bomb=np.array([Bomb()], dtype=object))
    return buffer.getvalue()


# What timm, or a program that joins paths, would follow.
HOSTILE_NAMES = (
    "hf_hub:org/name",
    "hf-hub:org/name@main",
    "local-dir:/etc",
    "local-dir:../../evil",
    "../../evil",
    "/etc/passwd",
    "https://127.0.0.1:9/a.safetensors",
    "file:///etc/passwd",
    "resnet18.a1_in1k",
    "resnet18/../../evil",
    "resnet18\0",
    "RESNET18",
    "__import__('os').system('true')",
    "$(touch burst)",
    "",
    "x" * 20_000,
)
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
    **{
        f"backbone {name!r:.40}": (config_with(backbone=name), "backbone must be one of")
        for name in HOSTILE_NAMES
    },
    **{
        f"architecture {name!r:.40}": (
            config_with(architecture=name),
            "architecture must be one of",
        )
        for name in HOSTILE_NAMES[:4]
    },
    "pooling from elsewhere": (config_with(pooling="os.system"), "pooling must be one of"),
    "crop_px huge": (config_with(crop_px=10**17), "crop_px must lie in 32..512"),
    "crop_px negative": (config_with(crop_px=-(10**16)), "crop_px must lie in 32..512"),
    "crop_px a float": (config_with(crop_px=64.0), "crop_px must be of type int"),
    "clip_frames huge": (config_with(clip_frames=2**50), "clip_frames must lie in"),
    "embed_dim huge": (config_with(embed_dim=2**40), "embed_dim must be a multiple of 16"),
    "crop_margin huge": (config_with(crop_margin=1e300), "crop_margin must lie in 0..1"),
    "mean of text": (config_with(mean=["0", "0", "0"]), "mean must be a list of three"),
    "mean endless": (config_with(mean=[0.5] * 10_000), "mean must be a list of three"),
    "std zero": (config_with(std=[0, 0, 0]), "std must"),
    "dropout NaN": (config_text(r'"dropout": 0.2', '"dropout": NaN'), "not finite: NaN"),
    "mask_head a number": (config_with(mask_head=1), "mask_head must be of type bool"),
    "config key twice, deep": (
        config_text(r"\{", '{"x": {"a": 1, "a": 2},'),
        "key twice: a",
    ),
    "config deep in objects": (file(CONFIG, b'{"a":' * 10_000), "config.json .* valid JSON"),
    "config a pickle": (file(CONFIG, pickle.dumps({"format": 1})), "config.json .* valid JSON"),
    "config with NUL": (file(CONFIG, b"{}\0"), "config.json .* valid JSON"),
    "config in UTF-16": (file(CONFIG, "{}".encode("utf-16")), "config.json .* valid JSON"),
    "config prototype": (config_with(__class__="os"), "known keys only"),
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
    "model by torch.save": (model_bytes(lambda m: saved_by_torch()), "no valid header length"),
    "model by numpy": (model_bytes(lambda m: saved_by_numpy()), "no valid header length"),
    "model a pickle that runs": (
        model_bytes(lambda m: pickle.dumps(Bomb())), "no valid header length"),
    "pickle behind the header": (
        model_bytes(lambda m: m + pickle.dumps(Bomb())), "be a safetensors file"),
    "header too deep": (
        model_bytes(lambda m: (200_000).to_bytes(8, "little") + b"[" * 200_000), "valid JSON"),
    "shape huge": (
        header('"shape":[1,576]', '"shape":[4611686018427387904,576]'),
        "digits",
    ),
    "shape negative": (header('"shape":[1,576]', '"shape":[-1,576]'), "head.weight of shape"),
    "shape overflows": (
        header('"shape":[1,576]', '"shape":[4294967296,4294967296]'), "head.weight of shape"),
    "offsets beyond": (
        model_bytes(lambda m: m[:8] + m[8:].replace(b'"data_offsets":[0,', b'"data_offsets":[9,')),
        "be a safetensors file",
    ),
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
    "calibration a pickle": (
        file("calibration.json", pickle.dumps(Bomb())), "calibration.json .* valid JSON"),
    "calibration too deep": (file("calibration.json", b"[" * 10**6), "calibration.json .* valid"),
    "calibration key twice": (
        lambda files: files | {"calibration.json": files["calibration.json"].replace(
            b"{", b'{"slope": 1,', 1)},
        "key twice: slope",
    ),
    "calibration of numbers without end": (calibration_with(slope=10**300), "digits"),
    "heatmaps a pickle": (file("heatmaps.json", pickle.dumps(Bomb())), "heatmaps.json .* valid"),
    "evaluation too deep": (file("evaluation.json", b"[" * 10**6), "evaluation.json .* valid"),
    "neighbours a pickle": (
        file("neighbours.safetensors", pickle.dumps(Bomb())), "neighbours.safetensors"),
    "golden too deep": (file("golden.json", b"[" * 60_000), "golden.json .* valid JSON"),
    "calibration slope": (calibration_with(slope=-1), "calibration.json .* slope must"),
    "calibration method": (calibration_with(method="exec"), "calibration.json .* method must"),
    "calibration knots unused": (calibration_with(knots=[[0, 0.5]]), "knots must be null"),
    "calibration knots falling": (
        calibration_with(method="isotonic", slope=None, intercept=None, knots=[[1, 0.9], [2, 0.1]]),
        "knots must rise",
    ),
    "calibration log loss": (calibration_with(log_loss={"exec": 1}), "log_loss must"),
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
