"""What holds for any data set that is split: nobody is in two splits, and nothing is lost."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dfexplain.errors import DataError
from tests.properties import steady
from train import leaks, splits
from train.records import SPLITS, VideoRecord

people = st.sampled_from([f"p{i}" for i in range(12)])
drafts = st.lists(
    st.tuples(
        st.sampled_from([0, 1, None]),
        st.sampled_from(["one", "two"]),
        st.sets(people, max_size=2),
        st.integers(-1, 39),
        st.sampled_from(["", "", "train", "val", "test"]),
    ),
    min_size=3,
    max_size=40,
)


def videos(
    drawn: list[tuple[int | None, str, set[str], int, str]], official: bool
) -> list[VideoRecord]:
    return [
        VideoRecord(
            f"{i}.mp4", label, dataset, tuple(sorted(who)),
            source_id="" if source < 0 else f"{dataset}:{source % len(drawn)}.mp4",
            method="swap" if label else "", split=split if official else "",
        )
        for i, (label, dataset, who, source, split) in enumerate(drawn)
    ]  # fmt: skip


@steady
@given(drafts, st.permutations(range(40)), st.floats(0.2, 0.9), st.integers(0, 3))
def test_a_split_deals_whole_groups_and_loses_nothing(
    drawn: list[tuple[int | None, str, set[str], int, str]],
    order: list[int],
    ratio: float,
    seed: int,
) -> None:
    made = videos(drawn, official=False)
    try:
        split = splits.make(made, split_ratio=ratio, seed=seed)
    except DataError:
        return  # too few groups for three splits: the other answer that there is
    placed = [video for part in split.videos.values() for video in part]
    assert sorted(placed + split.unlabelled, key=lambda v: v.path) == sorted(
        made, key=lambda v: v.path
    )
    assert tuple(split.videos) == SPLITS
    found = leaks.audit(split.videos, None)
    assert [leak for leak in found if leak.code in ("DFX001", "DFX002")] == []
    mixed = [made[i] for i in order if i < len(made)]
    assert splits.make(mixed, split_ratio=ratio, seed=seed) == split


@steady
@given(drafts, st.integers(0, 3))
def test_groups_are_the_least_that_keep_people_and_sources_together(
    drawn: list[tuple[int | None, str, set[str], int, str]], seed: int
) -> None:
    made = videos(drawn, official=False)
    found = splits.groups(made)
    assert Counter(v.key for group in found for v in group) == Counter(v.key for v in made)
    where = {v.key: i for i, group in enumerate(found) for v in group}
    for a in made:
        for b in made:
            linked = set(a.identities) & set(b.identities) or a.key == b.source_id
            assert not linked or where[a.key] == where[b.key]
    # Within a group each video is linked to another one of it.
    for group in found:
        for video in group if len(group) > 1 else ():
            others = [v for v in group if v is not video]
            assert any(
                set(v.identities) & set(video.identities)
                or video.source_id in (v.key, v.source_id or None)
                or v.source_id == video.key
                for v in others
            )


@steady
@given(drafts, st.integers(1, 10), st.integers(0, 3))
def test_a_balanced_subset_grows_by_adding(
    drawn: list[tuple[int | None, str, set[str], int, str]], most: int, seed: int
) -> None:
    made = videos(drawn, official=True)
    small, large = (splits.balanced(made, n, seed=seed) for n in (most, most + 3))
    assert {v.key for v in small} <= {v.key for v in large} <= {v.key for v in made}
    for label in (0, 1):
        there = sum(v.label == label for v in made)
        assert sum(v.label == label for v in small) == min(there, most)
