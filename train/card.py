"""The model card that stands in a weights folder: what it was made from and what it is worth."""

from __future__ import annotations

from collections import Counter
from typing import Any

from dfexplain.models import ModelConfig
from dfexplain.structures import Calibration
from train.portraits import Portrait

__all__ = ["write"]


def _people(portraits: list[Portrait]) -> str:
    return f"{len(portraits)} portraits of {len({p.identity for p in portraits})} people"


def _share(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} (95 % interval {interval[0]:.3f} to {interval[1]:.3f})"


def write(
    *,
    config: ModelConfig,
    calibration: Calibration,
    run_name: str,
    history: list[dict[str, Any]],
    by_compression: list[tuple[str, int, float, float]],
    training: list[Portrait],
    validation: list[Portrait],
    unscored: int,
    size_bytes: int,
) -> str:
    """The card in Markdown, with the Hub's front matter. Every number comes from the arguments."""
    last = history[-1]
    fakes = int(calibration.labels.sum())
    reals = len(calibration.labels) - fakes
    licences = Counter(p.licence for p in [*training, *validation])
    slices = "\n".join(
        f"| {name} | {count} | {value:.3f} | {share:.3f} |"
        for name, count, value, share in by_compression
    )
    terms = "\n".join(f"| {name} | {count} |" for name, count in sorted(licences.items()))
    crop_auc = _share(last["val_auc"], (last["val_auc_low"], last["val_auc_high"]))
    return f"""---
license: apache-2.0
library_name: dfexplain
pipeline_tag: video-classification
tags:
- deepfake-detection
- self-blended-images
---

# dfexplain weights: {config.backbone}, self-blended

A single-frame detector ({config.backbone}, {config.crop_px} px crops, margin
{config.crop_margin:g}, {size_bytes / 1e6:.1f} MB) that looks for the traces of blending a changed
face into a picture. It was trained by `python -m train fit --config train/configs/{run_name}.yaml`
({len(history)} epochs; earlier stages stand at the top of that file) and calibrated by
`python -m train export`.

## What it was trained on

{_people(training)} for training, {_people(validation)} for validation; no person is in both. Every
fake was made from these portraits: self-blended images (Shiohara and Yamasaki, CVPR 2022) and aligned
swaps with colour transfer (Li et al., CVPR 2020). No labelled deepfake was trained on. The backbone
started from ImageNet weights.

| licence of the portraits | portraits |
|---|---|
{terms}

Sources and attribution: Face Research Lab London Set (DeBruine and Jones 2017, CC BY 4.0), Canadian
face set of webmorphR.stim (CC BY 4.0), the lisa set of webmorphR.stim (CC0), official portraits of members of
the United States Congress (public domain).

## What it is worth

All numbers are on people who were not trained on. Chance is an AUC of 0.5.

| what | value | measured on |
|---|---|---|
| AUC, single crops | {crop_auc} | {last["val_crops"]} made crops |
| AUC, videos | {_share(calibration.auc, calibration.auc_interval)} | {reals} untouched and {fakes} forged made clips of {calibration.people} people |
| ECE, 15 bins, cross-validated by person | {_share(calibration.ece, calibration.ece_interval)} | the same clips |
| false positives at the threshold ({calibration.threshold:.2f}) | {_share(calibration.false_positive_rate, calibration.false_positive_interval)} | {reals} untouched clips |
| fakes called "no sign found" (at or below {calibration.band_low:.2f}) | {_share(calibration.miss_rate, calibration.miss_interval)} | {fakes} forged clips |

By compression of the clips, untouched and forged together:

| H.264 CRF | clips | AUC | untouched clips at or above the threshold |
|---|---|---|---|
{slices}

{unscored} clips had no face that could be followed and are not in these numbers. Threshold and band
were chosen on the same clips that they are reported on, so the two rates are optimistic.

The calibration stands on {calibration.measured_on}
On real video, with fakes of other kinds, a probability may be wrong; faces under {calibration.min_face_px:.0f} px and features unlike the training
crops get no probability at all. `python -m train evaluate` prints the AUC on labelled clips.

## What it cannot see

Wholly synthetic pictures, lip-sync of single words, animation, voices, edits outside of faces. The
training portraits are mostly frontal, well lit and of adults; profile views, children, occlusion and
low light are hardly covered, and error rates by age, sex and skin tone are not measured.
"""
