"""Mutants of small videos, each a function of its seed, read in the cage: nothing may escape it.

    python -m benchmarks.fuzz [--count 100000] [--seed 1] [--jobs 2] [--done FILE]

reads the mutants with the seeds from --seed on, in --jobs processes. A mutant passes where its
reading ends, in time, in frames or in one line of error, and fails where anything else is raised,
the line is wrong, or the decoder takes longer than a child may. A decoder that crashes is stopped
by the cage and counted: its seed is printed, as is that of a mutant that fails. The file of a
failing seed belongs into tests/data/mutants. With --done, what was read is noted in a file, and a
second run goes on there.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

from benchmarks.trust.films import BASES, film
from dfexplain import errors, video
from dfexplain.cage import Limits
from dfexplain.structures import Sampling

__all__ = ["Outcome", "bases", "mutant", "outcome", "tally"]

LIMITS = Limits(pixels=1 << 22, memory_bytes=1 << 30, cpu_s=20, wait_s=25.0, silence_s=20.0)
LONGEST_S = 30.0
BATCH = 50
CODES = {kind.code for kind in vars(errors).values() if isinstance(kind, type)}
CRASHED = "the decoder broke down"

Outcome = tuple[int, str, str]
"""A seed, what became of it (a code, `read`, `crashed` or `FAILED`), and more about a failure."""


@lru_cache
def bases() -> dict[str, bytes]:
    """A film of six pictures of 64 x 64 px in each container, by the end of its name."""
    with tempfile.TemporaryDirectory() as name:
        small = {"size": (64, 64), "count": 6, "gop": 3}
        return {
            end: film(Path(name) / f"base.{end}", **(how | small)).read_bytes()
            for end, how in BASES.items()
        }


def _flip(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.choice((1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _overwrite(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data))
    piece = chance.choice((b"\0", b"\xff", chance.randbytes(1))) * chance.choice((1, 4, 32))
    data[at : at + len(piece)] = piece


def _drop(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.choice((1, 4, 100, 1000))]


def _repeat(chance: random.Random, data: bytearray) -> None:
    at = chance.randrange(len(data))
    piece = data[at : at + chance.choice((4, 100, 1000))]
    data[at:at] = piece * chance.choice((1, 2, 20))


def _number(chance: random.Random, data: bytearray) -> None:
    """A field of two, four or eight bytes becomes a number at which sizes overflow."""
    size = chance.choice((2, 4, 8))
    at = chance.randrange(max(1, len(data) - size))
    top = (1 << 8 * size) - 1
    old = int.from_bytes(data[at : at + size], "big")
    new = chance.choice((0, 1, top, top >> 1, (top >> 1) + 1, top - 7, old + 1, old - 1, old * 2))
    data[at : at + size] = (new & top).to_bytes(size, chance.choice(("big", "little")))


def _box_size(chance: random.Random, data: bytearray) -> None:
    """The size before one of the box names of an MP4, or else any number."""
    names = (b"moov", b"trak", b"stbl", b"stsz", b"stco", b"stts", b"ctts", b"stsd", b"avcC",
             b"mdat", b"elst", b"dref", b"trun", b"tfhd", b"strf", b"idx1", b"LIST")  # fmt: skip
    places = [at for name in names if (at := data.find(name)) >= 4]
    if not places:
        _number(chance, data)
        return
    at = chance.choice(places) + chance.choice((-4, 4, 8, 12, 16))
    data[at : at + 4] = chance.choice(
        (
            b"\0\0\0\0",
            b"\0\0\0\1",
            b"\xff" * 4,
            b"\x7f\xff\xff\xff",
            b"\0\0\0\7",
            chance.randbytes(4),
        )
    )


def _truncate(chance: random.Random, data: bytearray) -> None:
    del data[chance.randrange(1, len(data)) :]


def _splice(chance: random.Random, data: bytearray) -> None:
    """The rest becomes that of another container's film."""
    other = bases()[chance.choice(sorted(bases()))]
    at = chance.randrange(1, len(data))
    data[at:] = other[min(at, len(other) - 1) :]


MUTATIONS: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _flip, _overwrite, _drop, _repeat, _number, _number, _box_size, _box_size, _truncate, _splice,
)  # fmt: skip


def mutant(seed: int) -> tuple[str, bytes]:
    """The end of the name and the bytes of a mutant: one to three mutations of a film."""
    chance = random.Random(seed)
    end = sorted(bases())[seed % len(bases())]
    data = bytearray(bases()[end])
    for _ in range(chance.choice((1, 1, 2, 3))):
        chance.choice(MUTATIONS)(chance, data)
        data = data or bytearray(b"\0")
    return end, bytes(data)


class _Watch:
    """Keeps what comes out of a block and is no DfExplainError; an interrupt passes."""

    trace = ""

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> bool:
        if kind is None or issubclass(kind, KeyboardInterrupt):
            return False
        self.trace = traceback.format_exc(limit=-3)
        return True


def outcome(seed: int, folder: Path) -> Outcome:
    """Read one mutant as an analysis does."""
    end, data = mutant(seed)
    path = folder / f"mutant_{seed}.{end.rpartition('.')[2]}"
    path.write_bytes(data)
    begin, end_s, watch = time.monotonic(), 0.0, _Watch()
    became = "read"
    with watch:
        try:
            with video.sample(path, Sampling(frames=3), LIMITS, pictures=True) as stream:
                for frame in stream:
                    assert frame.rgb.shape[:2] == (stream.info.height_px, stream.info.width_px)
        except errors.InputError as error:
            became, line = error.code, str(error)
            assert became in CODES, became
            assert len(line) <= 160, line
            assert line.isprintable(), line
            if CRASHED in line:
                became = "crashed"
    end_s = time.monotonic() - begin
    path.unlink()
    if watch.trace:
        return seed, "FAILED", watch.trace
    return (seed, "FAILED", f"{end_s:.0f} s") if end_s > LONGEST_S else (seed, became, "")


def batch(seeds: list[int]) -> list[Outcome]:
    """Read some mutants, in one process."""
    with tempfile.TemporaryDirectory() as name:
        return [outcome(seed, Path(name)) for seed in seeds]


def _batches(seeds: Iterable[int]) -> Iterator[list[int]]:
    left = iter(seeds)
    while some := list(islice(left, BATCH)):
        yield some


def tally(
    seeds: Iterable[int], jobs: int = 1, tell: Callable[[list[Outcome]], None] = lambda _: None
) -> tuple[Counter[str], list[Outcome]]:
    """Read the mutants of these seeds: how many ended how, and those that crashed or failed.

    `tell` hears of each batch once it is read.
    """
    counts: Counter[str] = Counter()
    odd: list[Outcome] = []
    with ProcessPoolExecutor(jobs) if jobs > 1 else _Here() as pool:
        for found in pool.map(batch, _batches(seeds)):
            counts.update(became for _, became, _ in found)
            odd += [one for one in found if one[1] in {"FAILED", "crashed"}]
            tell(found)
    return counts, odd


class _Here:
    """One job: no further process."""

    map = staticmethod(map)

    def __enter__(self) -> _Here:
        return self

    def __exit__(self, *error: object) -> None:
        return None


def _note(file: Path | None, count: int, begin: float, found: list[Outcome]) -> None:
    if file is not None:
        with file.open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(one) + "\n" for one in found)
    for seed, became, more in found:
        if became in {"FAILED", "crashed"}:
            print(f"seed {seed} {became} {more}", flush=True)
    if sys.stderr.isatty():
        print(
            f"\r{found[-1][0]} of {count}, {time.monotonic() - begin:.0f} s",
            end="",
            file=sys.stderr,
        )


def main() -> int:
    """Read, print the counts, and end with status 1 if a mutant failed."""
    parser = argparse.ArgumentParser("benchmarks.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--done", type=Path, help="notes what was read; a second run goes on")
    asked = parser.parse_args()
    before: list[Outcome] = []
    if asked.done is not None and asked.done.exists():
        lines = asked.done.read_text("utf-8").splitlines()
        before = [(seed, became, more) for seed, became, more in map(json.loads, lines)]
    known = {seed for seed, _, _ in before}
    seeds = [s for s in range(asked.seed, asked.seed + asked.count) if s not in known]
    tell = partial(_note, asked.done, asked.count, time.monotonic())
    counts, _ = tally(seeds, asked.jobs, tell)
    counts.update(became for _, became, _ in before)
    print(f"{counts.total()} mutants: {dict(sorted(counts.items()))}")
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
