"""What the model is worth after an epoch: by video, with an interval, beside the chance line."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from numpy.typing import NDArray

from dfexplain import aggregate, metrics
from dfexplain.intervals import auc_interval
from dfexplain.models import VideoModel
from train.batches import Row, Samples, loader
from train.config import FitConfig
from train.distributed import Here
from train.steps import normalise

__all__ = ["chance_accuracy", "measure", "validate", "video_scores"]

RESAMPLES = 500
Floats = NDArray[np.float64]


def chance_accuracy(rows: list[Row]) -> float:
    """The accuracy over videos of answering "fake" always."""
    return float(np.mean(list({row.video: row.label for row in rows}.values())))


def video_scores(rows: list[Row], logits: Floats, clip_frames: int) -> dict[str, float]:
    """Logits (N,) of frames or clips to one a video: its highest track.

    A track of single frames is scored as the app scores it (`aggregate.lane_score`), one of clips
    by their mean.
    """
    tracks: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row, logit in zip(rows, logits, strict=True):
        tracks[row.video, row.track].append(float(logit))
    scores: dict[str, float] = {}
    for (video, _), own in tracks.items():
        values = np.array(own)
        score = aggregate.lane_score(values) if clip_frames == 1 else float(values.mean())
        scores[video] = max(score, scores.get(video, -np.inf))
    return scores


def measure(rows: list[Row], logits: Floats, clip_frames: int) -> dict[str, float]:
    """The validation columns of the history.

    val_loss is the log loss over samples. Over videos: val_acc at logit 0 beside val_chance_acc,
    and val_auc with its 95 % bootstrap interval clustered by source and person.
    """
    labels = np.array([row.label for row in rows], np.float64)
    scores = video_scores(rows, logits, clip_frames)
    known = {row.video: row for row in rows}
    values = np.array(list(scores.values()))
    truth = np.array([known[video].label for video in scores], np.int64)
    clusters = np.array([known[video].source for video in scores])
    low, high = auc_interval(values, truth, clusters, resamples=RESAMPLES)
    row = {
        "val_loss": float(np.mean(np.logaddexp(0.0, logits) - labels * logits)),
        "val_acc": float(np.mean((values > 0) == (truth == 1))),
        "val_chance_acc": float(truth.mean()),
        "val_auc": metrics.auc(values, truth),
        "val_auc_low": low,
        "val_auc_high": high,
    }
    return {name: round(value, 6) for name, value in row.items()} | {"val_videos": len(scores)}


@torch.inference_mode()
def validate(
    model: VideoModel, data: Samples, config: FitConfig, here: Here, precision: torch.dtype
) -> dict[str, float]:
    """Score all of `data`, each process its share, and measure it."""
    model.eval()
    own = np.arange(here.rank, len(data), here.world)
    size = max(1, config.data.batch_size // data.per_item // here.world)
    batches = [own[i : i + size].tolist() for i in range(0, len(own), size)]
    logits = np.zeros(len(data.rows))
    pin = here.device.type == "cuda"
    workers = 0 if data.kept else config.data.workers
    for batch in loader(data, batches, workers, pin=pin):
        clips = normalise(batch.clips.to(here.device, non_blocking=True), config.model)
        with torch.autocast(here.device.type, precision, enabled=precision != torch.float32):
            logit, _ = model(clips)  # (B, T, 3, S, S) -> (B,)
        logits[batch.rows.numpy()] = logit.double().cpu().numpy()
    # Each row was scored by one process and is 0 in the others.
    return measure(data.rows, np.sum(here.gather(logits), axis=0), config.model.clip_frames)
