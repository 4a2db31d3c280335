"""A weights folder: the files it holds, and the checks that stand between their bytes and a model.

Whatever the folder holds besides the names in `FILES` is neither opened nor executed.
`docs/weights_format.md` describes the same rules for people.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import torch

from dfexplain import calibration as calibrations
from dfexplain import evaluation as evaluations
from dfexplain import reference
from dfexplain.errors import SettingError, WeightsNotFound, WeightsRefused
from dfexplain.models import ModelConfig, build
from dfexplain.reference import OutOfDistribution
from dfexplain.structures import (
    Calibration,
    Evaluation,
    HeatmapRecord,
    NeighbourIndex,
    WeightsInfo,
)
from dfexplain.untrusted import FolderReader

__all__ = [
    "CALIBRATION",
    "CARD",
    "CONFIG",
    "EVALUATION",
    "FILES",
    "FORMAT",
    "GOLDEN",
    "HEATMAPS",
    "HEAT_SCALE_LIMIT",
    "MODEL",
    "NEIGHBOURS",
    "OUT_OF_DISTRIBUTION",
    "PICKLES",
    "Golden",
    "OutOfDistribution",
    "Weights",
    "pickle_hint",
    "read",
    "read_golden",
]

FORMAT = 1
MODEL = "model.safetensors"
CONFIG = "config.json"
CALIBRATION = "calibration.json"
EVALUATION = "evaluation.json"
GOLDEN = "golden.json"
HEATMAPS = "heatmaps.json"
NEIGHBOURS = "neighbours.safetensors"
CARD = "README.md"
OUT_OF_DISTRIBUTION = "out_of_distribution.safetensors"

# The only names that are ever opened, each with the most bytes it may have.
FILES = {
    CARD: 2**18,
    CALIBRATION: 2**22,
    EVALUATION: 2**20,
    GOLDEN: 2**16,
    HEATMAPS: 2**18,
    NEIGHBOURS: 2**22,
    OUT_OF_DISTRIBUTION: 2**24,
    MODEL: 2**29,
    CONFIG: 2**16,
}
# Formats that run code when they are opened: named in a hint, never opened.
PICKLES = frozenset({".bin", ".ckpt", ".joblib", ".pkl", ".pickle", ".pt", ".pth"})

# Logits stay far below it; it keeps the scale a number that a figure can draw.
HEAT_SCALE_LIMIT = 1e6
Measured = TypeVar("Measured", Calibration, Evaluation, HeatmapRecord)
_FLOATS = frozenset({"F32", "F16", "BF16"})
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Golden:
    """What the weights answered on the fixed crops of `golden.py` when they were saved.

    `logits` holds one value a crop, `tolerance` is the difference allowed on another machine.
    """

    sha256: str
    logits: tuple[float, ...]
    tolerance: float
    torch: str
    machine: str


@dataclass(frozen=True)
class Weights:
    """A checked weights folder, read into memory.

    `state` has the keys, shapes and dtypes of the model that `config` builds. `heat_scale` is the
    evidence, in logits, that a heatmap draws in full colour. `calibration` is None for uncalibrated
    weights, and `uncalibrated_because` then says why; so with `evaluation` and `heatmaps`.
    """

    info: WeightsInfo
    config: ModelConfig
    state: dict[str, torch.Tensor]
    heat_scale: float
    calibration: Calibration | None
    out_of_distribution: OutOfDistribution | None
    card: str
    folder: Path
    golden: Golden | None = None
    uncalibrated_because: str | None = None
    evaluation: Evaluation | None = None
    unevaluated_because: str | None = None
    heatmaps: HeatmapRecord | None = None
    untested_because: str | None = None
    neighbours: NeighbourIndex | None = None

    @property
    def label(self) -> str:
        """The name to show: `default@local`, or `org/name@<commit sha>`."""
        return f"{self.info.name}@{self.info.revision}"


def read(
    folder: Path,
    *,
    name: str | None = None,
    revision: str = "local",
    inside: Path | None = None,
    remedy: str = "Take the weights from their source again.",
) -> Weights:
    """Read and check a weights folder.

    `inside` is the folder that links may not leave (the folder itself; the Hub's cache links to its
    blobs). `remedy` ends the messages. Raises WeightsNotFound without a folder, WeightsRefused
    naming the file, the rule and what came.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise WeightsNotFound(f"weights must be a folder, but got {str(folder)!r}. Check the path.")
    name = folder.name if name is None else name
    reader = FolderReader(
        folder, FILES, label=f"{name}@{revision}", inside=inside or folder, remedy=remedy
    )
    data = {file: reader.bytes_of(file) for file in FILES}
    config_bytes, model_bytes = data[CONFIG], data[MODEL]
    if config_bytes is None or model_bytes is None:
        missing = MODEL if model_bytes is None else CONFIG
        names = [path.name for path in folder.iterdir()]
        raise reader.refusal(missing, "be there", "no such file", pickle_hint(names))
    config, heat_scale, expected_sha256 = _config(reader, config_bytes)
    sha256 = hashlib.sha256(model_bytes).hexdigest()
    if sha256 != expected_sha256:
        raise reader.refusal(MODEL, f"have the sha256 {expected_sha256} of config.json", sha256)
    state, width = _state(reader, config, model_bytes)

    calibration, because = _measured(reader, CALIBRATION, data, sha256, calibrations.from_dict)
    evaluation, unevaluated = _measured(reader, EVALUATION, data, sha256, evaluations.from_dict)
    heatmaps, untested = _measured(reader, HEATMAPS, data, sha256, evaluations.heatmaps_from_dict)
    index = None
    if (raw := data[NEIGHBOURS]) is not None:
        index = reference.read_neighbours(reader, NEIGHBOURS, raw, width, sha256)
    gate = None
    if (raw := data[OUT_OF_DISTRIBUTION]) is not None:
        gate = reference.read(reader, OUT_OF_DISTRIBUTION, raw, width, sha256)
    if calibration is not None:
        _check_limits(reader, calibration, gate)
    golden = None if (raw := data[GOLDEN]) is None else read_golden(reader, raw)
    if golden is not None and golden.sha256 != sha256:
        raise reader.refusal(GOLDEN, f"belong to the weights {sha256}", f"{golden.sha256!r:.80}")
    card = "" if (raw := data[CARD]) is None else reader.text(CARD, raw)
    info = WeightsInfo(
        name=name,
        revision=revision,
        sha256=sha256,
        calibrated=calibration is not None,
        architecture=config.label,
        crop_px=config.crop_px,
        crop_margin=config.crop_margin,
        alarms=evaluations.flagged(evaluation, evaluations.GENUINE),
        found=evaluations.flagged(evaluation, evaluations.FORGED),
    )
    parts = (info, config, state, heat_scale, calibration, gate, card, folder, golden)
    return Weights(*parts, because, evaluation, unevaluated, heatmaps, untested, index)


def pickle_hint(names: list[str]) -> str:
    """What to do about a folder that holds `names` but not the files of a weights folder."""
    pickles = sorted(Path(name).name for name in names if Path(name).suffix.lower() in PICKLES)
    if pickles:
        return (
            f"{pickles[0]!r:.80} can run code when opened, so it never is: ask its author for the "
            f"tensors as safetensors ({MODEL})."
        )
    return f"A weights folder holds {MODEL} and {CONFIG}: see docs/weights_format.md."


def _config(reader: FolderReader, data: bytes) -> tuple[ModelConfig, float, str]:
    values = reader.json_object(CONFIG, data)
    version = values.get("format")
    if type(version) is not int or version != FORMAT:
        raise reader.refusal(
            CONFIG,
            f"have the format {FORMAT}",
            f"{version!r:.60}",
            "Use the version of dfexplain that wrote it.",
        )
    known = {item.name for item in fields(ModelConfig)} | {"format", "heat_scale", "sha256"}
    unknown = sorted(values.keys() - known)
    if unknown:
        raise reader.refusal(CONFIG, "hold known keys only", f"{unknown[:3]!r:.120}")
    try:
        config = ModelConfig.from_dict(values)
    except SettingError as error:
        raise WeightsRefused(f"{CONFIG} of {reader.label} is refused: {error}") from error
    heat_scale: Any = values.get("heat_scale")
    if type(heat_scale) not in (int, float) or not 0 < heat_scale <= HEAT_SCALE_LIMIT:
        raise reader.refusal(
            CONFIG, f"have a heat_scale in 0..{HEAT_SCALE_LIMIT:g}", f"{heat_scale!r:.60}"
        )
    sha256 = values.get("sha256")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise reader.refusal(CONFIG, "have a sha256 of 64 hex digits", f"{sha256!r:.80}")
    return config, float(heat_scale), sha256


@lru_cache(maxsize=8)
def _expected(config: ModelConfig) -> tuple[dict[str, tuple[torch.Size, torch.dtype]], int]:
    """Shape and dtype of each tensor of the model, and its number of features."""
    # On the meta device a model has names, shapes and dtypes without memory or random numbers.
    with torch.device("meta"):
        model = build(config)
    tensors = {key: (tensor.shape, tensor.dtype) for key, tensor in model.state_dict().items()}
    return tensors, model.width


def _state(
    reader: FolderReader, config: ModelConfig, data: bytes
) -> tuple[dict[str, torch.Tensor], int]:
    """The model's tensors in the model's own dtypes, and its number of features."""
    wanted, width = _expected(config)
    tensors = reader.tensors(
        MODEL,
        data,
        {
            key: (tuple(shape), _FLOATS if dtype.is_floating_point else frozenset({"I64"}))
            for key, (shape, dtype) in wanted.items()
        },
        ({}, {"format": "pt"}),
    )
    for key, tensor in tensors.items():
        # Batch norm takes the root of it: a negative one makes every logit NaN.
        if key.endswith("running_var") and bool((tensor < 0).any()):
            raise reader.refusal(MODEL, f"hold no negative variance in {key}", "one")
    return {key: tensors[key].to(dtype) for key, (_, dtype) in wanted.items()}, width


def _measured(
    reader: FolderReader,
    name: str,
    data: dict[str, bytes | None],
    sha256: str,
    parse: Callable[[dict[str, Any]], Measured],
) -> tuple[Measured | None, str | None]:
    """What was measured with these weights, or why there is nothing."""
    raw = data[name]
    if raw is None:
        return None, f"the weights came without {name}"
    try:
        measured = parse(reader.json_object(name, raw))
    except SettingError as error:
        raise WeightsRefused(f"{name} of {reader.label} is refused: {error}") from error
    if measured.weights_sha256 != sha256:
        return None, f"{name} was measured with other weights"
    return measured, None


def _check_limits(
    reader: FolderReader, calibration: Calibration, gate: OutOfDistribution | None
) -> None:
    """A limit needs what it limits: a gate does not vanish in silence."""
    known = {
        "max_distance": gate,
        "max_picture_distance": gate and gate.pictures,
        "max_drawn": gate and gate.pictures,
    }
    for key, there in known.items():
        if getattr(calibration, key) is not None and there is None:
            got = "no such file" if gate is None else "one that knows no pictures"
            raise reader.refusal(
                OUT_OF_DISTRIBUTION, f"be there, as calibration.json sets {key}", got
            )


def read_golden(reader: FolderReader, data: bytes) -> Golden:
    """Parse the bytes of a golden.json. Raises WeightsRefused; whose it is the caller checks."""
    values = reader.json_object(GOLDEN, data)
    logits, tolerance = values.get("logits"), values.get("tolerance")
    words = [values.get(key) for key in ("sha256", "torch", "machine")]
    if (
        values.keys() != {item.name for item in fields(Golden)}
        or not (isinstance(logits, list) and all(type(v) in (int, float) for v in logits))
        or not (isinstance(tolerance, float) and 0 < tolerance <= 1)
        or not all(isinstance(word, str) for word in words)
    ):
        raise reader.refusal(GOLDEN, "hold sha256, logits, tolerance, torch and machine", "others")
    return Golden(**{**values, "logits": tuple(float(v) for v in logits)})
