"""Several models as one: a video's score is the mean of theirs.

Each model keeps its own crops' size; members that were trained on other margins score videos, not
crops, since a crop has one margin. Averaging logits: the DFDC winner's way with probabilities, kept
in logits so that the mean is not ruled by the most certain member.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from train.scores import ScoredVideo

__all__ = ["mean"]


def mean(members: Sequence[Sequence[ScoredVideo]]) -> list[ScoredVideo]:
    """One list of scored videos out of several of the same videos in the same order.

    A video that a member could not score has no score, and that member's reason. Frames that every
    member scored are kept, with their mean logit. Raises ValueError for lists of other videos.
    """
    keys = [[video.record.key for video in member] for member in members]
    if any(own != keys[0] for own in keys):
        raise ValueError("members must have scored the same videos in the same order.")
    return [_mean(parts) for parts in zip(*members, strict=True)]


def _frames(video: ScoredVideo) -> list[tuple[str, int]]:
    """What names each scored face: track and frame, or its place where frames have no number."""
    numbered = bool((video.frame_index >= 0).all())
    numbers = video.frame_index.tolist() if numbered else range(len(video.frame_index))
    return list(zip(video.frame_track, numbers, strict=True))


def _mean(parts: Sequence[ScoredVideo]) -> ScoredVideo:
    scores = [part.score for part in parts if part.score is not None]
    first = parts[0]
    unread = max(part.unread for part in parts)
    if len(scores) < len(parts):
        return replace(next(part for part in parts if part.score is None), unread=unread)
    logits = [dict(zip(_frames(p), p.frame_logits, strict=True)) for p in parts]
    frames = _frames(first)
    rows = [i for i, frame in enumerate(frames) if all(frame in own for own in logits)]
    return replace(
        first,
        score=float(np.mean(scores)),
        frame_logits=np.array([np.mean([own[frames[i]] for own in logits]) for i in rows]),
        frame_time_s=first.frame_time_s[rows],
        frame_index=first.frame_index[rows],
        frame_track=tuple(first.frame_track[i] for i in rows),
        unread=unread,
    )
