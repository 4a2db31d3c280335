"""Two ways of analysing one clip that take turns: slow, fast, slow, fast ..., and their ratio."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import NamedTuple

from benchmarks import clips, sides
from benchmarks.sides import Spent, Task
from benchmarks.table import Row

__all__ = ["RACES", "Race", "floor", "peaks", "run", "ten_minutes"]

Say = Callable[[str], None]


class Race(NamedTuple):
    """The fast side against the slow one on a clip; `faces` the fewest that either must explain.

    `least` and `most` are for the frames that both are asked for.
    """

    work: str
    clip: str
    slow: str
    bar: float
    fast: str = "dfexplain"
    frames: int | None = 32
    every: int | None = None
    faces: int = 32
    rounds: int = 2
    last: float | None = None


RACES: dict[str, Race] = {
    "overlays": Race("1080p H.264, 32 frames, overlays", "one face", "naive", 25),
    "scores": Race(
        "the same, scores only",
        "one face",
        "half resolution",
        7,
        "dfexplain, scores only",
        last=4.45,
    ),
    "every5": Race(
        "1080p H.264, every 5th frame, overlays",
        "one face",
        "naive without seeks",
        18,
        frames=None,
        every=5,
        faces=50,
    ),
    "three": Race(
        "1080p, three moving faces, overlays", "three faces", "naive without seeks", 11, faces=96
    ),
    "hevc": Race("1080p HEVC, overlays", "hevc", "naive", 10, rounds=1),
    "vp9": Race("1080p VP9, overlays", "vp9", "naive", 10, rounds=1),
    "720p": Race("720p, two faces, overlays", "720p", "naive", 10, faces=64, rounds=1),
    "phone": Race("portrait phone video, overlays", "phone", "naive", 10, rounds=1),
}


def run(
    race: Race, rounds: int, frames: int | None, say: Say, spent: list[tuple[Spent, Spent]]
) -> Row:
    """Let both sides take turns; what they took is added to `spent`."""
    task = Task(str(clips.clip(race.clip)), race.frames, race.every)
    fewest = race.faces
    if frames is not None and race.frames is not None:
        fewest, task = fewest * frames // race.frames, task._replace(frames=frames)
    pairs = []
    for _ in range(rounds):
        pair = sides.run(race.slow, task), sides.run(race.fast, task)
        pairs.append(pair)
        say(f"  {race.slow}: {_words(pair[0])}; {race.fast}: {_words(pair[1])}")
        # The one that misses faces has less to do; false faces are a reference's own affair.
        if pair[1].faces < 0.98 * fewest:
            raise SystemExit(f"{race.fast} explained {pair[1].faces} of {fewest} faces: no ratio.")
    spent += pairs
    slow, fast = (median(s.cpu_s for s in side) for side in zip(*pairs, strict=True))
    return Row(
        race.work,
        race.slow,
        race.bar if frames is None else None,  # of fewer frames, starting takes a larger share
        median(a.cpu_s / b.cpu_s for a, b in pairs),
        median(a.wall_s / b.wall_s for a, b in pairs),
        f"{slow:.1f} / {fast:.2f} CPU s",
        last=race.last,
    )


def _words(spent: Spent) -> str:
    return (
        f"{spent.cpu_s:.2f} CPU s, {spent.wall_s:.2f} s, {spent.peak_mib:.0f} MiB, "
        f"{spent.faces} faces"
    )


def peaks(spent: list[tuple[Spent, Spent]]) -> Row | None:
    """The worst ratio of peak memory over all races that were run."""
    known = [(a.peak_mib, b.peak_mib) for a, b in spent if a.peak_mib and b.peak_mib]
    if not known:
        return None
    slow, fast = max(known, key=lambda pair: pair[1] / pair[0])
    words = f"{fast:.0f} / {slow:.0f} MiB"
    return Row(
        "peak memory, worst of the above", "its reference", 1.0, fast / slow, None, words, True
    )


def floor(rounds: int, say: Say) -> Row:
    """The whole analysis against decoding what is needed, and the multiply-adds of detector and
    classifier at the rate of a large matrix product."""
    from benchmarks.arithmetic import seconds_of

    task = Task(str(clips.clip("one face")))
    flops, rate, networks_s = seconds_of(task)
    ratios = []
    for _ in range(rounds):
        decode, whole = sides.run("floor", task), sides.run("dfexplain, scores only", task)
        ratios.append(whole.cpu_s / (decode.cpu_s + networks_s))
        say(f"  decode {decode.cpu_s:.2f}, networks {networks_s:.2f}, whole {whole.cpu_s:.2f}")
    words = f"{flops / 1e9:.1f} GFLOP at {rate / 1e9:.0f} GFLOP/s, decode {decode.cpu_s:.2f} CPU s"
    return Row(
        "whole analysis, scores",
        "decode floor + networks",
        2.0,
        median(ratios),
        None,
        words,
        True,
        2.12,
    )


def ten_minutes(say: Say) -> Row:
    """Ten minutes at one frame a second, in how many times real time."""
    spent = sides.run("dfexplain", Task(str(clips.clip("ten minutes")), None, None, 1.0))
    say(f"  {_words(spent)}")
    length_s = clips.MINUTES_10 * clips.SECONDS
    return Row(
        "ten minutes of 1080p, 1 frame/s, overlays",
        "real time",
        12,
        length_s / spent.cpu_s,
        length_s / spent.wall_s,
        f"{spent.cpu_s:.1f} CPU s, {spent.wall_s:.1f} s",
    )
