"""Writes a weights folder: equal bytes for equal weights, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from dfexplain import calibration as calibrations
from dfexplain import evaluation as evaluations
from dfexplain import weights_folder as layout
from dfexplain.errors import SettingError
from dfexplain.golden import make_golden
from dfexplain.models import ModelConfig
from dfexplain.structures import Calibration, Evaluation, HeatmapRecord, NeighbourIndex
from dfexplain.weights_folder import OutOfDistribution, Weights

__all__ = [
    "CARD_LIMITS",
    "record_card",
    "record_evaluation",
    "record_heatmaps",
    "refresh_card",
    "save",
    "sha256_of",
]

# The heading before which what was measured goes in a card that does not show it yet.
CARD_LIMITS = "\n## What it cannot see\n"


def sha256_of(state: Mapping[str, torch.Tensor]) -> str:
    """The sha256 that `model.safetensors` will have for this state: it names the weights."""
    return hashlib.sha256(_model_bytes(state)).hexdigest()


def save(
    folder: str | Path,
    *,
    config: ModelConfig,
    state: Mapping[str, torch.Tensor],
    heat_scale: float,
    card: str,
    calibration: Calibration | None = None,
    out_of_distribution: OutOfDistribution | None = None,
    golden: dict[str, Any] | None = None,
    evaluation: Evaluation | None = None,
    neighbours: NeighbourIndex | None = None,
) -> Weights:
    """Write a weights folder and return it as `hub.load` reads it.

    `golden` is measured here unless it is given. A calibration or an evaluation whose
    `weights_sha256` is empty is bound to this state; one of other weights is refused. An older
    weights folder of that name is replaced; a folder that holds anything else is left alone.

    Raises SettingError for arguments that make no weights folder or a place that cannot be written,
    WeightsRefused for a state that `config` does not build or that is not finite.
    """
    files = _pack(config, state, heat_scale, card)
    sha256 = hashlib.sha256(files[layout.MODEL]).hexdigest()
    files |= _beside(sha256, calibration, evaluation, out_of_distribution, neighbours)
    target = Path(folder).expanduser().absolute()
    try:
        if target.exists() and {path.name for path in target.iterdir()} - layout.FILES.keys():
            raise SettingError(
                f"folder must be new or hold weights only, but got {str(target)!r}, which holds "
                "something else. Choose another folder."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
            # A folder of its own inside it, because a temporary folder is closed to other users.
            fresh = Path(scratch, target.name)
            fresh.mkdir()
            for name, data in files.items():
                (fresh / name).write_bytes(data)
            if golden is None:
                golden = make_golden(layout.read(fresh))
            (fresh / layout.GOLDEN).write_bytes(_json_bytes(golden))
            layout.read(fresh)
            _swap(fresh, target, Path(scratch, "replaced"))
    except OSError as error:
        raise SettingError(
            f"folder must be one that can be written, but got {str(target)!r} "
            f"({error.strerror}). Choose another folder."
        ) from error
    return layout.read(target)


def record_evaluation(folder: str | Path, evaluation: Evaluation) -> Weights:
    """Write what was measured with the weights of a folder into it, in the place of an older
    evaluation, and return the weights as they load now. The card stays as it is.

    An empty `weights_sha256` is bound to these weights. Raises SettingError for an evaluation of
    other weights, one that no weights folder may hold and a place that cannot be written, and the
    errors of `weights_folder.read`.
    """
    weights = layout.read(Path(folder).expanduser())
    data = _evaluation_bytes(evaluation, weights.info.sha256)
    evaluations.from_dict(json.loads(data))
    return _put(weights.folder, layout.EVALUATION, data)


def record_heatmaps(folder: str | Path, record: HeatmapRecord) -> Weights:
    """Write what was measured of the heatmaps of a weights folder into it, as `record_evaluation`
    writes an evaluation, and with the same errors."""
    weights = layout.read(Path(folder).expanduser())
    _check_owner("heatmaps", record.weights_sha256, weights.info.sha256)
    bound = replace(record, weights_sha256=weights.info.sha256)
    data = _json_bytes(evaluations.heatmaps_to_dict(bound))
    evaluations.heatmaps_from_dict(json.loads(data))
    return _put(weights.folder, layout.HEATMAPS, data)


def refresh_card(folder: str | Path) -> Weights:
    """Bring the card of a weights folder up to its evaluation.json and heatmaps.json; the rest of
    it stays. The same errors as `record_evaluation`."""
    weights = layout.read(Path(folder).expanduser())
    card, fresh = weights.card, evaluations.card_section(weights.evaluation, weights.heatmaps)
    old = evaluations.section_of(card)
    if old is not None:
        card = card.replace(old, fresh)
    elif CARD_LIMITS in card:
        card = card.replace(CARD_LIMITS, f"\n{fresh}\n{CARD_LIMITS}", 1)
    else:
        card = f"{card.rstrip()}\n\n{fresh}\n"
    return record_card(folder, card)


def record_card(folder: str | Path, card: str) -> Weights:
    """Write the card of a weights folder anew; the same errors as `record_evaluation`."""
    return _put(layout.read(Path(folder).expanduser()).folder, layout.CARD, card.encode())


def _put(folder: Path, name: str, data: bytes) -> Weights:
    """Put one file of a weights folder in its place, whole or not at all."""
    if len(data) > layout.FILES[name]:
        raise SettingError(
            f"{name} must have at most {layout.FILES[name]} bytes, but got {len(data)}. "
            "Record less."
        )
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            fresh = Path(scratch, name)
            fresh.write_bytes(data)
            fresh.replace(folder / name)
    except OSError as error:
        raise SettingError(
            f"folder must be one that can be written, but got {str(folder)!r} "
            f"({error.strerror}). Copy the weights elsewhere."
        ) from error
    return layout.read(folder)


def _swap(fresh: Path, target: Path, aside: Path) -> None:
    """Put `fresh` in the place of `target`, which goes aside and comes back should that fail."""
    existed = target.exists()
    if existed:
        target.rename(aside)
    try:
        fresh.rename(target)
    except OSError:
        if existed:
            aside.rename(target)
        raise


def _pack(
    config: ModelConfig,
    state: Mapping[str, torch.Tensor],
    heat_scale: float,
    card: str,
) -> dict[str, bytes]:
    """Name and bytes of each file that a folder must have, and of its card."""
    if not 0 < heat_scale <= layout.HEAT_SCALE_LIMIT:
        raise SettingError(
            f"heat_scale must lie in 0..{layout.HEAT_SCALE_LIMIT:g}, but got {heat_scale}. "
            "Measure it on validation crops."
        )
    model = _model_bytes(state)
    sha256 = hashlib.sha256(model).hexdigest()
    settings = {"format": layout.FORMAT, **config.to_dict()}
    settings |= {"heat_scale": float(heat_scale), "sha256": sha256}
    return {
        layout.MODEL: model,
        layout.CONFIG: _json_bytes(settings),
        layout.CARD: card.encode(),
    }


def _beside(
    sha256: str,
    calibration: Calibration | None,
    evaluation: Evaluation | None,
    out_of_distribution: OutOfDistribution | None,
    neighbours: NeighbourIndex | None,
) -> dict[str, bytes]:
    """Name and bytes of each file that belongs to the weights `sha256`."""
    files = {}
    if calibration is not None:
        _check_owner("calibration", calibration.weights_sha256, sha256)
        bound = replace(calibration, weights_sha256=sha256)
        files[layout.CALIBRATION] = _json_bytes(calibrations.to_dict(bound))
    if evaluation is not None:
        files[layout.EVALUATION] = _evaluation_bytes(evaluation, sha256)
    arrays = {}
    if out_of_distribution is not None:
        arrays[layout.OUT_OF_DISTRIBUTION] = out_of_distribution.tensors()
    if neighbours is not None:
        arrays[layout.NEIGHBOURS] = vars(neighbours)
    for name, values in arrays.items():
        tensors = {key: torch.from_numpy(np.ascontiguousarray(v)) for key, v in values.items()}
        files[name] = safetensors.torch.save(tensors, metadata={"weights_sha256": sha256})
    return files


def _evaluation_bytes(evaluation: Evaluation, sha256: str) -> bytes:
    _check_owner("evaluation", evaluation.weights_sha256, sha256)
    return _json_bytes(evaluations.to_dict(replace(evaluation, weights_sha256=sha256)))


def _check_owner(what: str, found: str, sha256: str) -> None:
    if found not in ("", sha256):
        raise SettingError(
            f"{what} must belong to the weights {sha256}, but got one of {found!r:.80}. Measure "
            "these weights."
        )


def _model_bytes(state: Mapping[str, torch.Tensor]) -> bytes:
    plain = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in state.items()}
    return safetensors.torch.save(plain, metadata={"format": "pt"})


def _json_bytes(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()
