"""A cartoon and a face 30 px wide, with the weights that ship: the page warns and gives no
probability."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain import hub, video
from dfexplain.detector import Detector
from dfexplain.structures import Outcome, Reason, Sampling, VideoReport
from dfexplain.ui import verdict
from tests.sources import ROOT
from train import cartoons

Image = NDArray[np.uint8]
FRAMES = Sampling(frames=8)


def comic(rgb: Image) -> Image:
    return cartoons.draw_over(rgb, "comic", 190.0, np.random.default_rng(0))


def far_away(rgb: Image) -> Image:
    """The picture so small that its face is about 30 px wide, on a grey wall."""
    out = np.full_like(rgb, 127)
    out[100:158, 100:158] = cv2.resize(rgb, (58, 58), interpolation=cv2.INTER_AREA)
    return out


@pytest.mark.parametrize(
    ("change", "why"), [(comic, "unlike those that were measured"), (far_away, "px wide, smaller")]
)
def test_no_probability_and_the_reason(
    change: Callable[[Image], Image], why: str, tmp_path: Path
) -> None:
    if hub.DEFAULT not in hub.shipped():
        pytest.skip(f"weights/{hub.DEFAULT} is not here")
    with video.sample(ROOT / "examples" / "untouched.mp4", FRAMES) as frames:
        changed = [change(frame.rgb) for frame in frames]
    clip = video.write(tmp_path / "clip.mp4", changed, 2.0, preset="ultrafast")
    *_, found = Detector(hub.load(None)).analyze(clip, FRAMES)
    assert isinstance(found, VideoReport)
    told = found.verdict
    assert (told.outcome, told.reason) == (Outcome.UNCERTAIN, Reason.OUT_OF_DISTRIBUTION)
    assert (told.p_fake, told.p_interval) == (None, None)
    card = verdict.card(found)
    assert why in card
    assert "no probability" in card
    assert "p_fake" not in card
