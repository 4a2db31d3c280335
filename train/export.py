"""From a finished run to a weights folder: heatmap scale, reference features, calibration, card."""

from __future__ import annotations

import csv
import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dfexplain import aggregate, calibration, lanes, metrics, video, weights_writing
from dfexplain.detector import Detector
from dfexplain.engine import Engine
from dfexplain.errors import SettingError
from dfexplain.models import ModelConfig
from dfexplain.structures import Calibration, VideoReport
from dfexplain.weights_folder import OutOfDistribution, Weights
from train import card, card_data
from train.clips import draw_recipe, render
from train.loop import load_checkpoint
from train.portraits import Portrait
from train.samples import PairDataset

__all__ = ["CLIP_SEED", "ScoredClip", "export", "heat_scale", "reference_features", "score_clips"]

CLIP_SEED = 8_001
REFERENCE_SEED = 8_002
SCALE_SEED = 8_003
# Dimensions kept of the feature space: about as many as stand above the noise of 2,000 crops.
SUBSPACE = 48
SWAP_SHARE = 0.25
# The share of validation lanes that the out-of-distribution gate may turn away, and of face sizes.
GATE_SHARE = 0.01


@dataclasses.dataclass(frozen=True)
class ScoredClip:
    """One made clip of a validation person: its label, and what the detector made of it."""

    identity: str
    label: int
    crf: int
    score: float | None
    face_px: float | None
    distance: float | None


def _crops(
    portraits: list[Portrait], config: ModelConfig, seed: int, limit: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Real and forged crops (N, S, S, 3) and their labels, spread over the people."""
    pairs = PairDataset(portraits, config, swap_share=SWAP_SHARE, seed=seed)
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(limit, len(pairs))).astype(int))
    crops = np.concatenate([pairs[int(i)][0].numpy().transpose(0, 2, 3, 1) for i in chosen])
    return crops, np.tile([0, 1], len(chosen))


def heat_scale(engine: Engine, portraits: list[Portrait]) -> float:
    """The evidence that is drawn in full colour: the 99th percentile of all cells of the forged
    validation crops that the model finds forged."""
    crops, labels = _crops(portraits, engine.config, SCALE_SEED, 300)
    output = engine.run(crops)
    found = output.evidence[(labels == 1) & (output.logit > 0)]
    if not len(found):
        raise SettingError(
            "the model must find some forged validation crops, but found none. Train it further."
        )
    return float(np.percentile(found, 99))


def reference_features(engine: Engine, portraits: list[Portrait]) -> OutOfDistribution:
    """Mean and principal subspace of the features of training crops, real and forged."""
    crops, _ = _crops(portraits, engine.config, REFERENCE_SEED, 600)
    features = engine.run(crops).features.astype(np.float64)
    mean = features.mean(axis=0)
    _, singular, components = np.linalg.svd(features - mean, full_matrices=False)
    kept = min(SUBSPACE, len(singular))
    variances = singular[:kept] ** 2 / (len(features) - 1)
    return OutOfDistribution(
        mean=mean.astype(np.float32),
        components=components[:kept].astype(np.float32),
        variances=np.maximum(variances, 1e-9).astype(np.float32),
    )


def score_clips(
    weights: Weights, people: list[Portrait], say: Callable[[str], None] = print
) -> list[ScoredClip]:
    """Make a real and a forged clip of each portrait and score them as the app scores a file."""
    plain = dataclasses.replace(weights, calibration=None)
    detector = Detector(plain)
    out = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        for i, portrait in enumerate(people):
            for label in (0, 1):
                rng = np.random.default_rng((CLIP_SEED, i, label))
                recipe = draw_recipe(portrait, bool(label), rng)
                donor = None
                if label and rng.random() < SWAP_SHARE:
                    donor = people[int(rng.integers(len(people)))]
                video.write(
                    path,
                    render(portrait, recipe, rng, donor),
                    recipe.fps,
                    crf=recipe.crf,
                    preset="veryfast",
                )
                *_, report = detector.analyze(path)
                assert isinstance(report, VideoReport)
                out.append(_scored(report, portrait.identity, label, recipe.crf, weights))
            if (i + 1) % 20 == 0:
                say(f"{i + 1} of {len(people)} people scored")
    return out


def _scored(
    report: VideoReport, identity: str, label: int, crf: int, weights: Weights
) -> ScoredClip:
    if report.verdict.score is None:
        return ScoredClip(identity, label, crf, None, None, None)
    top = max(aggregate.judged(report.lanes), key=lambda lane: lane.score)
    distance = None
    if weights.out_of_distribution is not None:
        distance = float(
            np.median(lanes.distances(top.scores.features, weights.out_of_distribution))
        )
    return ScoredClip(identity, label, crf, top.score, lanes.face_px(top.track), distance)


def calibrate(clips: list[ScoredClip], sha256: str) -> Calibration:
    """Fit the calibration on the clips that could be scored, and say what it stands on."""
    kept = [c for c in clips if c.score is not None]
    labels = np.array([c.label for c in kept], np.int64)
    identities = np.array([c.identity for c in kept])
    reals = int((labels == 0).sum())
    return calibration.fit(
        np.array([c.score for c in kept], np.float64),
        labels,
        identities,
        measured_on=(
            f"{len(kept)} made clips of {len(np.unique(identities))} people who were not trained "
            f"on ({reals} untouched, {len(kept) - reals} forged by self-blending or swapping; "
            "moving portraits, H.264 CRF 18 to 36). Not measured on genuine deepfakes."
        ),
        weights_sha256=sha256,
        min_face_px=float(np.quantile([c.face_px for c in kept], GATE_SHARE)),
        max_distance=float(np.quantile([c.distance for c in kept], 1.0 - GATE_SHARE)),
    )


def by_compression(clips: list[ScoredClip], threshold: float) -> list[card.Slice]:
    """AUC and false-positive rate of each band of H.264 CRF that has both classes."""
    out = []
    for low, high in ((18, 23), (24, 29), (30, 36)):
        inside = [c for c in clips if low <= c.crf <= high and c.score is not None]
        scores = np.array([c.score for c in inside], np.float64)
        labels = np.array([c.label for c in inside], np.int64)
        if 0 < labels.sum() < len(labels):
            share = float((scores[labels == 0] >= threshold).mean())
            value = metrics.auc(scores, labels)
            out.append(card.Slice(f"{low} to {high}", len(inside), value, share))
    return out


def _trained(state: dict[str, Any]) -> card.Trained:
    last = state["history"][-1]
    return card.Trained(
        name=state["name"],
        epochs=len(state["history"]),
        command=f"python -m train fit --config train/configs/{state['name']}.yaml",
        crop_auc=(last["val_auc"], last["val_auc_low"], last["val_auc_high"]),
        crops=last.get("val_crops"),
    )


def export(
    run_dir: Path,
    train: list[Portrait],
    val: list[Portrait],
    out: Path,
    say: Callable[[str], None] = print,
) -> Weights:
    """Write the weights folder `out` of a run and return it as the app loads it.

    Everything but the reference features is measured on validation people. Raises SettingError if
    the run has no checkpoint or the weights do not detect the made clips.
    """
    state = load_checkpoint(run_dir)
    if state is None:
        raise SettingError(f"--run must hold a checkpoint, but got '{run_dir}'. Run fit first.")
    config = ModelConfig.from_dict(state["config"])
    tensors: dict[str, Tensor] = state["averaged"]
    engine = Engine(config, tensors)
    say("heatmap scale and reference features")
    scale = heat_scale(engine, val)
    reference = reference_features(engine, train)
    with tempfile.TemporaryDirectory() as scratch:
        draft = weights_writing.save(
            Path(scratch) / "draft",
            config=config,
            state=tensors,
            heat_scale=scale,
            card="draft",
            out_of_distribution=reference,
        )
        clips = score_clips(draft, val, say)
    with (run_dir / "calibration_clips.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow([f.name for f in dataclasses.fields(ScoredClip)])
        writer.writerows(dataclasses.astuple(c) for c in clips)
    fitted = calibrate(clips, draft.info.sha256)
    return weights_writing.save(
        out,
        config=config,
        state=tensors,
        heat_scale=scale,
        calibration=fitted,
        out_of_distribution=reference,
        card=card.write(
            config=config,
            calibration=fitted,
            subject=card_data.portraits(train, val),
            trained=_trained(state),
            slices={"H.264 CRF": by_compression(clips, fitted.threshold)},
            unscored=sum(c.score is None for c in clips),
            size_bytes=weights_folder_size(draft),
            start="The backbone started from ImageNet weights.",
        ),
    )


def weights_folder_size(weights: Weights) -> int:
    """Bytes of the tensors, as they will lie in model.safetensors (less its header)."""
    return sum(t.numel() * t.element_size() for t in weights.state.values())
