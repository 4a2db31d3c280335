"""A model in the formats of other programs, each read back and compared before it counts.

All take normalised clips (B, T, 3, S, S), float32, with any B and the model's T and S, and give
`logit` (B,) and `frame_logits` (B, T). Each carries the config that says how crops are cut and
normalised.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.jit._trace import TracerWarning

from dfexplain.errors import DataError, SettingError
from dfexplain.golden import LEAST_TOLERANCE, TOLERANCE, golden_crops
from dfexplain.models import ModelConfig, VideoModel, build

__all__ = ["KINDS", "write"]

CONFIG = "model.config.json"
Scorer = Callable[[Tensor], Tensor]


def write(model: VideoModel, folder: Path, kinds: Sequence[str]) -> list[Path]:
    """Write the model into `folder` as each of `kinds` (see KINDS) and give the files' paths.

    `torchscript` is model.torchscript.pt, `onnx` model.onnx, `state_dict` model.state_dict.pt with
    model.config.json. Each is loaded again and scores clips of fixed pictures, one and two at a
    time: a logit may differ by 1e-4 of the largest, and by 1e-5 at least (as in `golden`).

    Raises SettingError for an unknown kind or a folder that cannot be written, DataError where the
    file answers something else; such a file is removed.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise SettingError(f"formats must be of {', '.join(KINDS)}, but got {kind!r}.")
    plain = copy.deepcopy(model).cpu().float().eval().requires_grad_(False)
    clips = _probes(plain.config)
    with torch.no_grad():
        wanted = plain(clips)[0]
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            files, scorer = KINDS[kind](plain, folder, clips)
            try:
                _compare(files[0], scorer, clips, wanted)
            except DataError:
                for file in files:
                    file.unlink()
                raise
            written += files
    except OSError as error:
        raise SettingError(
            f"folder must be one that can be written, but got '{folder}' ({error.strerror}). "
            "Choose another folder."
        ) from error
    return written


def _probes(config: ModelConfig) -> Tensor:
    """Two normalised clips (2, T, 3, S, S) of the golden crops."""
    crops = torch.from_numpy(golden_crops(config.crop_px)).permute(0, 3, 1, 2).float() / 255.0
    crops = (crops - torch.tensor(config.mean).view(3, 1, 1)) / torch.tensor(config.std).view(
        3, 1, 1
    )
    frames = torch.arange(config.clip_frames)
    return torch.stack([crops[(frames + first) % len(crops)] for first in (0, 5)])


def _compare(file: Path, scorer: Scorer, clips: Tensor, wanted: Tensor) -> None:
    allowed = max(LEAST_TOLERANCE, TOLERANCE * float(wanted.abs().max()))
    got = torch.cat([scorer(clips), scorer(clips[:1]), scorer(clips[1:])])
    off = float((got - wanted.repeat(2)).abs().max())
    if not off <= allowed:
        raise DataError(
            f"{file.name} must give the model's logits within {allowed:.1g}, but got one that is "
            f"{off:.3g} off. Leave this format out."
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Both exporters are deprecated for newer ones that cannot take all of these models; that the
    result is right is measured on it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=TracerWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torch\.(onnx|jit)")
        yield


def _torchscript(model: VideoModel, folder: Path, clips: Tensor) -> tuple[list[Path], Scorer]:
    path = folder / "model.torchscript.pt"
    with _quiet(), torch.no_grad():
        traced = torch.jit.trace(model, clips, check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, path, _extra_files={"config.json": _json(model.config)})
        loaded = torch.jit.load(path)  # type: ignore[no-untyped-call]

    def score(some: Tensor) -> Tensor:
        with torch.no_grad():
            logit: Tensor = loaded(some)[0]
        return logit

    return [path], score


def _onnx(model: VideoModel, folder: Path, clips: Tensor) -> tuple[list[Path], Scorer]:
    import onnx
    import onnxruntime

    path = folder / "model.onnx"
    names = ["logit", "frame_logits"]
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            model,
            (clips,),
            path,
            input_names=["clips"],
            output_names=names,
            dynamic_axes={name: {0: "clip"} for name in ("clips", *names)},
            opset_version=18,
            dynamo=False,
        )
    graph = onnx.load(path)
    onnx.checker.check_model(graph)
    onnx.helper.set_model_props(graph, {"config": _json(model.config)})
    onnx.save(graph, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def score(some: Tensor) -> Tensor:
        (logit,) = session.run(["logit"], {"clips": some.numpy()})
        return torch.from_numpy(np.asarray(logit))

    return [path], score


def _state_dict(model: VideoModel, folder: Path, clips: Tensor) -> tuple[list[Path], Scorer]:
    path, config = folder / "model.state_dict.pt", folder / CONFIG
    torch.save(model.state_dict(), path)
    config.write_text(_json(model.config) + "\n", encoding="utf-8")
    read = ModelConfig.from_dict(json.loads(config.read_text(encoding="utf-8")))
    fresh = build(read).eval()
    fresh.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))

    def score(some: Tensor) -> Tensor:
        with torch.no_grad():
            logit: Tensor = fresh(some)[0]
        return logit

    return [path, config], score


def _json(config: ModelConfig) -> str:
    return json.dumps(config.to_dict(), indent=2)


KINDS: dict[str, Callable[[VideoModel, Path, Tensor], tuple[list[Path], Scorer]]] = {
    "torchscript": _torchscript,
    "onnx": _onnx,
    "state_dict": _state_dict,
}
