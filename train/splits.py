"""Train, validation and test: whole groups of people and sources, classes in proportion.

Videos that share a person or a source recording must lie on one side, or a score measures memory;
so the connected components of both are what is dealt out (A9, A10). They are dealt largest first,
each to where it lowers the squared distance from the wanted counts of every stratum (label, data
set, method) most; single videos then fill what is left. Without groups the counts are exact.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from dfexplain.errors import DataError, SettingError
from train.records import SPLITS, VideoRecord

__all__ = ["MAX_VIDEOS_PER_CLASS", "SEED", "Split", "balanced", "groups", "make", "without_bridges"]

SEED = 42
MAX_VIDEOS_PER_CLASS = 100
"""What `--max-videos-per-class` takes where it is given without a number: about 200 videos."""

_ROUNDS = 4  # of moving groups once all are dealt

Stratum = tuple[int, str, str]
Key = TypeVar("Key", int, Stratum)


@dataclass(frozen=True)
class Split:
    """Who is where. `videos` maps each asked-for split to its videos, ordered by key.

    `official` counts the videos whose place the data set itself fixed, `groups` and `largest` the
    connected components and the videos of the largest. `unlabelled` videos are in no split.
    """

    videos: dict[str, list[VideoRecord]]
    official: int
    groups: int
    largest: int
    unlabelled: list[VideoRecord]

    def table(self) -> list[dict[str, object]]:
        """One row a split: videos, real, fake, groups' share reached, and the chance line."""
        total = sum(map(len, self.videos.values()))
        rows = []
        for name, videos in self.videos.items():
            fake = sum(v.label == 1 for v in videos)
            rows.append(
                {
                    "split": name,
                    "videos": len(videos),
                    "real": len(videos) - fake,
                    "fake": fake,
                    "share": len(videos) / total if total else math.nan,
                    "always_fake_accuracy": fake / len(videos) if videos else math.nan,
                }
            )
        return rows


def groups(videos: Sequence[VideoRecord]) -> list[list[VideoRecord]]:
    """The connected components of videos by shared identities and sources, in order of keys."""
    parent: dict[Hashable, Hashable] = {}

    def find(node: Hashable) -> Hashable:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    ordered = sorted(videos, key=lambda v: v.key)
    for video in ordered:
        own = find(("source", video.key))
        links = [("person", person) for person in video.identities]
        links += [("source", video.source_id)] if video.source_id else []
        for link in links:
            parent[find(link)] = own
    out: dict[Hashable, list[VideoRecord]] = defaultdict(list)
    for video in ordered:
        out[find(("source", video.key))].append(video)
    return list(out.values())


def _stratum(video: VideoRecord) -> Stratum:
    return (int(video.label or 0), video.dataset, video.method)


def _rounded(wanted: Mapping[Key, float], total: int) -> dict[Key, int]:
    """Whole numbers that add up to `total`: floors, then the largest remainders."""
    out = {key: math.floor(value + 1e-9) for key, value in wanted.items()}
    rest = sorted(wanted, key=lambda key: (out[key] - wanted[key], str(key)))
    for key in rest[: total - sum(out.values())]:
        out[key] += 1
    return out


def _targets(
    counts: Counter[Stratum], shares: Mapping[str, float]
) -> dict[tuple[str, Stratum], int]:
    """How many videos of each stratum each split should get; sums are those of the shares."""
    left: Counter[Stratum] = Counter(counts)
    out: dict[tuple[str, Stratum], int] = {}
    names = list(shares)
    for place, name in enumerate(names[1:], start=1):
        total = sum(left.values())
        share = shares[name] / sum(shares[n] for n in (names[0], *names[place:]))
        want = math.floor(share * total + 0.5)
        labels: Counter[int] = Counter()
        for stratum, n in left.items():
            labels[stratum[0]] += n
        per_label = _rounded({k: n * want / max(total, 1) for k, n in labels.items()}, want)
        for label, number in per_label.items():
            inner = {s: n * number / labels[s[0]] for s, n in left.items() if s[0] == label and n}
            for stratum, taken in _rounded(inner, number).items():
                out[(name, stratum)] = taken
                left[stratum] -= taken
    return out | {(names[0], stratum): n for stratum, n in left.items()}


class _Dealer:
    """Deals groups to splits so that the counts come near the targets."""

    def __init__(
        self, targets: dict[tuple[str, Stratum], int], names: Sequence[str], seed: int
    ) -> None:
        self.targets, self.names = targets, names
        self.have: Counter[tuple[str, Stratum]] = Counter()
        self.rng = np.random.default_rng(seed)

    def deal(self, found: list[list[VideoRecord]]) -> dict[str, str]:
        """Key -> split: large groups first, those moved while that helps, then single videos."""
        shuffled = [found[i] for i in self.rng.permutation(len(found))]
        strata = [Counter(_stratum(v) for v in group) for group in shuffled]
        large = [i for i, group in enumerate(shuffled) if len(group) > 1]
        place = {i: self._put(strata[i]) for i in sorted(large, key=lambda i: -len(shuffled[i]))}
        for _ in range(_ROUNDS):
            before = dict(place)
            for i, name in before.items():
                self._add(name, strata[i], -1)
                place[i] = self._put(strata[i], name)
            if place == before:
                break
        place |= {i: self._put(strata[i]) for i in range(len(shuffled)) if i not in place}
        return {v.key: name for i, name in place.items() for v in shuffled[i]}

    def _put(self, strata: Counter[Stratum], favourite: str = "") -> str:
        """Add a group where it does most good: of equals the favourite, else one by chance."""
        costs = {name: self._cost(name, strata) for name in self.names}
        equal = [name for name in self.names if costs[name] <= min(costs.values()) + 1e-9]
        name = favourite if favourite in equal else equal[int(self.rng.integers(len(equal)))]
        self._add(name, strata, 1)
        return name

    def _cost(self, name: str, strata: Counter[Stratum]) -> float:
        """What adding a group does to the squared distance from the targets."""
        total = 0.0
        for stratum, n in strata.items():
            # A stratum of which nothing is left for a split has no target there.
            target = self.targets.get((name, stratum), 0)
            off = self.have[name, stratum] - target
            total += ((off + n) ** 2 - off**2) / (target + 1.0)
        return total

    def _add(self, name: str, strata: Counter[Stratum], sign: int) -> None:
        for stratum, n in strata.items():
            self.have[name, stratum] += sign * n


def _fixed(videos: Iterable[VideoRecord], into: Sequence[str]) -> dict[str, str]:
    """Key -> split of the videos whose official place counts.

    "train" alone is no split (DFDC's metadata says it of every video). Where a data set has a test
    list but no validation one, validation is carved out of its training videos.
    """
    known: dict[str, set[str]] = defaultdict(set)
    videos = list(videos)
    for video in videos:
        known[video.dataset].add(video.split)
    out = {}
    for video in videos:
        said = known[video.dataset] & set(SPLITS)
        held_out = said - {"train"}
        whole = set(into) <= said
        if held_out and video.split in into and (video.split != "train" or whole):
            out[video.key] = video.split
    return out


def make(
    videos: Sequence[VideoRecord],
    *,
    split_ratio: float = 0.8,
    into: Sequence[str] = SPLITS,
    seed: int = SEED,
    official: bool = True,
) -> Split:
    """Split videos into `into` ("train" first): `split_ratio` to train, the rest in equal parts.

    `official` keeps the places that a data set fixed. The same videos in any order and the same
    seed give the same splits. A group that touches an official place follows it. Raises DataError
    where a split would stay empty, SettingError for a ratio outside of 0 to 1.
    """
    if not 0.0 < split_ratio < 1.0:
        raise SettingError(f"split_ratio must be between 0 and 1, but got {split_ratio}. Try 0.8.")
    if len(into) < 2 or into[0] != "train" or len(set(into)) != len(into) or set(into) - {*SPLITS}:
        raise SettingError(
            f"the splits must be train and at least one of val, test, but got {', '.join(into)}."
        )
    labelled = [v for v in videos if v.label is not None]
    if len({v.key for v in labelled}) != len(labelled):
        twice = next(k for k, n in Counter(v.key for v in labelled).items() if n > 1)
        raise DataError(f"each video must be there once, but {twice} is there twice.")
    fixed = _fixed(labelled, into) if official else {}
    found = groups(labelled)
    rest = (1.0 - split_ratio) / (len(into) - 1)
    shares = {name: split_ratio if name == "train" else rest for name in into}
    place = _deal(found, fixed, shares, seed)
    out: dict[str, list[VideoRecord]] = {name: [] for name in into}
    for video in sorted(labelled, key=lambda v: v.key):
        out[place[video.key]].append(video)
    empty = [name for name in into if not out[name]]
    if empty:
        raise DataError(
            f"every split must get a video, but {empty[0]} gets none of {len(labelled)} in "
            f"{len(found)} groups (the largest has {max(map(len, found), default=0)}). "
            "Use fewer splits, more videos, or --drop-bridges."
        )
    return Split(
        videos=out,
        official=len(fixed),
        groups=len(found),
        largest=max(map(len, found)),
        unlabelled=sorted((v for v in videos if v.label is None), key=lambda v: v.key),
    )


def _deal(
    found: list[list[VideoRecord]], fixed: dict[str, str], shares: dict[str, float], seed: int
) -> dict[str, str]:
    """Key -> split for every video of every group."""
    served = _served(found, fixed)
    open_shares = {n: share for n, share in shares.items() if n == "train" or n not in served}
    place = dict(fixed)
    free: list[list[VideoRecord]] = []
    for group in found:
        held = Counter(fixed[v.key] for v in group if v.key in fixed)
        loose = [v for v in group if v.key not in fixed]
        if held and all(v.split != "train" for v in loose):
            place |= {v.key: held.most_common(1)[0][0] for v in loose}
        elif loose:
            free.append(loose)
    counts = Counter(_stratum(v) for group in free for v in group)
    return place | _Dealer(_targets(counts, open_shares), list(open_shares), seed).deal(free)


def _served(found: list[list[VideoRecord]], fixed: dict[str, str]) -> set[str]:
    """Splits that official places fill already, if all free videos are official training ones."""
    free = [v for group in found for v in group if v.key not in fixed]
    return set(fixed.values()) if all(v.split == "train" for v in free) else set()


def balanced(
    videos: Sequence[VideoRecord], most: int = MAX_VIDEOS_PER_CLASS, *, seed: int = SEED
) -> list[VideoRecord]:
    """At most `most` real and as many fake videos, spread evenly over data sets and methods.

    Unlabelled videos stay. A larger `most` keeps what a smaller one chose. Ordered by key.
    """
    if most < 1:
        raise SettingError(f"max_videos_per_class must be at least 1, but got {most}.")
    rng = np.random.default_rng(seed)
    ordered = sorted(videos, key=lambda v: v.key)
    chosen = [v for v in ordered if v.label is None]
    for label in (0, 1):
        strata: dict[Stratum, list[VideoRecord]] = defaultdict(list)
        for video in ordered:
            if video.label == label:
                strata[_stratum(video)].append(video)
        piles = [[pile[i] for i in rng.permutation(len(pile))] for pile in strata.values()]
        deepest = max(map(len, piles), default=0)
        turns = [pile[i] for i in range(deepest) for pile in piles if i < len(pile)]
        chosen += turns[:most]
    return sorted(chosen, key=lambda v: v.key)


def without_bridges(
    videos: Sequence[VideoRecord], *, into: Sequence[str], split_ratio: float, seed: int = SEED
) -> tuple[list[VideoRecord], list[VideoRecord]]:
    """(kept, dropped): people are dealt to splits by their real videos, and fakes between them go.

    Celeb-DF swaps nearly everybody with everybody: its identities are one connected component,
    which cannot be split. Dropping the fakes that join people of two splits makes it divisible.
    """
    real = [v for v in videos if v.label == 0]
    first = make(real, split_ratio=split_ratio, into=into, seed=seed, official=False)
    side = {
        person: name for name, vs in first.videos.items() for v in vs for person in v.identities
    }
    sources = {v.source_id: name for name, vs in first.videos.items() for v in vs if v.source_id}
    kept, dropped = [], []
    for video in sorted(videos, key=lambda v: v.key):
        sides = {side[p] for p in video.identities if p in side}
        sides |= {sources[video.source_id]} if video.source_id in sources else set()
        if video.label == 1 and len(sides) > 1:
            dropped.append(video)
            continue
        kept.append(video)
        # A person without a real video goes with the first one whose fake is met.
        for person in video.identities if sides else ():
            side.setdefault(person, min(sides))
    return kept, dropped
