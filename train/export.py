"""From a finished run to a weights folder: heatmap scale, reference features, neighbours,
calibration, card. And from weights to the same weights with another calibration."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from dfexplain import calibration, weights_writing
from dfexplain.engine import Engine, EngineOutput
from dfexplain.errors import SettingError
from dfexplain.golden import golden_crops
from dfexplain.models import ModelConfig
from dfexplain.structures import Calibration, NeighbourIndex
from dfexplain.weights_folder import OutOfDistribution, Weights
from train import aggregation, card, evaluate, gate, made_clips, neighbours, scores
from train.checkpoints import load_checkpoint
from train.convert import Converted
from train.material import Material, PortraitMaterial, Scoring, TableMaterial
from train.measures import TOLD_FROM
from train.scores import ScoredVideo

__all__ = ["calibrate", "export", "export_checkpoint", "heat_scale", "recalibrate"]

# Crops looked at for the heatmap scale.
SCALE_CROPS = 600
# In logits: less would paint noise.
LEAST_SCALE = 0.1


def _look(
    engine: Engine, material: Material, split: str, limit: int
) -> tuple[EngineOutput, NDArray[np.int64]]:
    """What the model says of crops of a split, and their labels (N,)."""
    outputs, labels = [], []
    for crops, label in material.crops(split, engine.config, limit):
        outputs.append(engine.run(crops))
        labels.append(np.full(len(crops), label))
    return EngineOutput.joined(outputs), np.concatenate(labels)


def heat_scale(engine: Engine, material: Material) -> float:
    """The evidence that is drawn in full colour: the 99th percentile of all cells of the forged
    validation crops that the model finds forged. Raises SettingError where it finds none."""
    output, labels = _look(engine, material, "val", SCALE_CROPS)
    found = output.evidence[(labels == 1) & (output.logit > 0)]
    scale = float(np.percentile(found, 99)) if len(found) else 0.0
    if not scale > 0.0:
        raise SettingError(
            "the model must find some forged validation crops, but found none. Train it further."
        )
    return scale


def calibrate(
    scored: Sequence[ScoredVideo],
    sha256: str,
    measured_on: str,
    target_fpr: float,
    by_recipe: bool = False,
) -> Calibration:
    """Fit the calibration on the videos that could be scored; `by_recipe`: recipes are held out.
    Of clips made of portraits the plain ones alone limit the gate.

    Raises SettingError where they are too few, or where chance reaches the AUC as well.
    """
    kept = [s for s in scored if s.score is not None]
    fitted = calibration.fit(
        np.array([s.score for s in kept], np.float64),
        np.array([s.record.label for s in kept], np.int64),
        evaluate.groups_of(kept),
        measured_on=measured_on,
        weights_sha256=sha256,
        min_face_px=0.0,
        max_distance=None,
        target_rate=target_fpr,
        kinds=np.array([s.record.method for s in kept]) if by_recipe else None,
    )
    low, high = fitted.auc_interval
    # Where all are told apart the interval only says how few they are; the card shows it.
    if low <= 0.5 and fitted.auc < 1.0:
        raise SettingError(
            "the weights must tell forged from real validation videos, but got AUC "
            f"{fitted.auc:.3f} (95 % interval {low:.3f} to {high:.3f}), which chance reaches too. "
            "Train further, or calibrate on more videos."
        )
    # What a camera does to a face must not widen the limits for what is no face.
    plain = [s for s in kept if s.record.dataset != made_clips.FILMED]
    return gate.limited(fitted, plain or kept)


def _slices(scored: Sequence[ScoredVideo], fitted: Calibration) -> dict[str, list[card.Slice]]:
    """The card's tables: by forgery, compression, size of the face, data set."""
    out = defaultdict(list)
    for part in evaluate.evaluate(scored, calibration=fitted, resamples=2).slices:
        level = part.level
        enough = level.real >= TOLD_FROM, min(level.real, level.fake) >= TOLD_FROM
        share, value = (
            level.measures[name].value if known else None
            for name, known in zip(("fpr@threshold", "auc"), enough, strict=True)
        )
        out[part.kind].append(card.Slice(part.name, level.n, value, share))
    return dict(out)


def _trained(state: dict[str, Any]) -> card.Trained:
    best = state["history"][-1]
    return card.Trained(
        name=state["name"],
        epochs=len(state["history"]),
        settings=yaml.safe_dump(state["settings"], sort_keys=False),
        auc=(best["val_auc"], best["val_auc_low"], best["val_auc_high"]),
        samples=best["val_videos"],
    )


def export(
    run_dir: Path,
    material: Material,
    out: Path,
    *,
    which: str = "best",
    target_fpr: float = calibration.TARGET_RATE,
    workers: int = 1,
    say: Callable[[str], None] = print,
) -> Weights:
    """Write the weights folder `out` of a run and return it as the app loads it.

    Everything but the reference features is measured on validation people; `workers` processes
    score their videos, with the same numbers however many they are. Leaves in the run
    calibration_videos.csv and, from frames to scores by other rules, aggregation.md. Raises
    SettingError if the run has no checkpoint or the weights do not detect the validation videos.
    """
    state = load_checkpoint(run_dir, which)
    if state is None:
        raise SettingError(
            f"--run must hold a checkpoint '{which}', but got '{run_dir}'. Run fit first."
        )
    say("heatmap scale, reference features and neighbours")
    config = ModelConfig.from_dict(state["config"])
    engine = Engine(config, state["averaged"])
    parts = _Parts(
        config,
        state["averaged"],
        heat_scale(engine, material),
        gate.reference(engine, material),
        neighbours.index(engine, material),
    )
    scored = _score(parts, material, workers)
    scores.write_videos(run_dir / "calibration_videos.csv", scored)
    weights = _write(parts, material, scored, out, target_fpr, _trained(state))
    rules = aggregation.compare(scored, by_recipe=isinstance(material, PortraitMaterial))
    aggregation.write(run_dir / "aggregation.md", rules)
    return weights


def export_checkpoint(
    checkpoint: Converted,
    out: Path,
    material: TableMaterial | None = None,
    *,
    source: str,
    target_fpr: float = calibration.TARGET_RATE,
    workers: int = 1,
) -> Weights:
    """Write the weights folder `out` of a checkpoint that another program left, named `source`.

    Without `material` the weights stay uncalibrated, and the heatmap scale is a guess from pictures
    of nothing. With it they are calibrated on its validation videos; what they were trained on is
    not known, so there is no reference for the out-of-distribution gate.
    """
    engine = Engine(checkpoint.config, checkpoint.state)
    if material is not None:
        parts = _Parts(*checkpoint, heat_scale(engine, material), None, None)
        scored = _score(parts, material, workers)
        return _write(parts, material, scored, out, target_fpr, None)
    evidence = engine.run(golden_crops(checkpoint.config.crop_px)).evidence
    scale = max(float(np.percentile(np.abs(evidence), 99)), LEAST_SCALE)
    parts = _Parts(*checkpoint, scale, None, None)
    return weights_writing.save(
        out, card=card.uncalibrated(checkpoint.config, source), **parts._asdict()
    )


def recalibrate(
    weights: Weights,
    material: Scoring,
    out: Path,
    *,
    target_fpr: float = calibration.TARGET_RATE,
    workers: int = 1,
) -> Weights:
    """Write `weights` as the folder `out`, calibrated on the validation videos of `material`.

    Network, heatmap scale, reference features, neighbours and what was measured of the heatmaps
    stay as they are. An evaluation does not: it is of other probabilities and another threshold.
    Raises SettingError for a card that cannot be read, and for videos that are too few or that the
    weights do not tell apart.
    """
    # A card that cannot be read is known before an hour of scoring, not after it.
    old = card.opened(weights.card)
    scored = _progress(material.score(weights, workers))
    fitted = _calibrated(scored, weights.info.sha256, material, target_fpr)
    text = card.recalibrated(
        old, fitted, material.subject(), _slices(scored, fitted), _unscored(scored)
    )
    parts = _Parts(
        weights.config,
        weights.state,
        weights.heat_scale,
        weights.out_of_distribution,
        weights.neighbours,
    )
    weights_writing.save(out, card=text, calibration=fitted, **parts._asdict())
    if weights.heatmaps is not None:
        weights_writing.record_heatmaps(out, weights.heatmaps)
    return weights_writing.refresh_card(out)


class _Parts(NamedTuple):
    """What a weights folder holds before it is calibrated."""

    config: ModelConfig
    state: dict[str, Tensor]
    heat_scale: float
    out_of_distribution: OutOfDistribution | None
    neighbours: NeighbourIndex | None


def _score(parts: _Parts, material: Material, workers: int) -> list[ScoredVideo]:
    with tempfile.TemporaryDirectory() as scratch:
        draft = weights_writing.save(Path(scratch) / "draft", card="draft", **parts._asdict())
        return _progress(material.score(draft, workers))


def _progress(scored: Iterator[ScoredVideo]) -> list[ScoredVideo]:
    return list(tqdm(scored, unit="video", desc="validation"))


def _unscored(scored: Sequence[ScoredVideo]) -> int:
    return sum(s.score is None for s in scored)


def _calibrated(
    scored: list[ScoredVideo], sha256: str, material: Scoring, target_fpr: float
) -> Calibration:
    kept = [s for s in scored if s.score is not None]
    by_recipe = isinstance(material, PortraitMaterial)
    return calibrate(scored, sha256, material.measured_on(kept), target_fpr, by_recipe)


def _write(
    parts: _Parts,
    material: Material,
    scored: list[ScoredVideo],
    out: Path,
    target_fpr: float,
    trained: card.Trained | None,
) -> Weights:
    sha256 = weights_writing.sha256_of(parts.state)
    fitted = _calibrated(scored, sha256, material, target_fpr)
    text = card.write(
        config=parts.config,
        calibration=fitted,
        subject=material.subject(),
        trained=trained,
        slices=_slices(scored, fitted),
        unscored=_unscored(scored),
        size_bytes=sum(t.numel() * t.element_size() for t in parts.state.values()),
    )
    return weights_writing.save(out, card=text, calibration=fitted, **parts._asdict())
