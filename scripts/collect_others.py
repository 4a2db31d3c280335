"""Bring together the recordings and deepfakes of others that docs/others.csv lists.

    python scripts/collect_others.py --repositories path/to/clones --out outputs/others
    python -m train alarms --weights weights/default --videos outputs/others/videos.csv

They are no part of the project: each row names a public repository and the git object that holds
the file's bytes. `--repositories` holds clones of these as owner/name or owner/name.git; nothing is
downloaded here. Rows with a `half` are examples that show a recording on the left and its deepfake
on the right of one picture; each half is cut out, and encoded again. What cannot be had is named.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dfexplain import video
from dfexplain.structures import Sampling

LISTED = Path(__file__).resolve().parent.parent / "docs" / "others.csv"
COLUMNS = ("video_id", "label", "source_dataset", "identities", "method", "source_id", "split")
# A half is encoded almost without loss: what a detector looks for must stay.
CRF, FRAMES = 12, 250


def blob(repositories: Path, repository: str, name: str) -> bytes | None:
    """The bytes of a git object, or None where no clone holds it."""
    for folder in (repositories / repository, repositories / f"{repository}.git"):
        if folder.is_dir():
            command = ["git", "-C", str(folder), "cat-file", "blob", name]
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode == 0:
                return done.stdout
    return None


def cut(source: Path, half: str, target: Path) -> None:
    """Write the left or right half of the first frames of a video."""
    with video.sample(source, Sampling(frames=None, every=1)) as stream:
        fps = stream.info.fps or 25.0

        def halves() -> Iterator[NDArray[np.uint8]]:
            for frame in islice(stream, FRAMES):
                middle = frame.rgb.shape[1] // 2
                yield frame.rgb[:, :middle] if half == "left" else frame.rgb[:, middle:]

        video.write(target, halves(), fps, crf=CRF)


def bring(row: dict[str, str], repositories: Path, out: Path) -> bool:
    """Write the video of a row below `out`; False where its bytes cannot be had."""
    target = out / file_of(row["blob"], row["half"])
    if target.is_file():
        return True
    content = blob(repositories, row["repository"], row["blob"])
    if content is None:
        return False
    # A run that was cut leaves no half file under a name that the next one takes for whole.
    whole = target.with_suffix(".whole")
    try:
        whole.write_bytes(content)
        if row["half"]:
            cut(whole, row["half"], target)
        else:
            whole.replace(target)
    finally:
        whole.unlink(missing_ok=True)
    return True


def file_of(name: str, half: str) -> str:
    """The file of a git object, or of a half of it."""
    return f"{name}-{half}.mp4" if half else f"{name}.video"


def table_row(row: dict[str, str]) -> tuple[str, ...]:
    """A row of the table that `train alarms` reads; pairs share their `source_id`."""
    file = file_of(row["blob"], row["half"])
    fake = row["label"] == "1"
    original = file_of(*row["original"].partition("/")[::2]) if row["original"] else ""
    source = original if fake else file
    dataset = row["repository"] if fake else row["kind"]
    method = row["kind"] if fake else ""
    shared = source and f"others:{source}"
    return (file, row["label"], dataset, row["people"], method, shared, row["split"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--repositories", type=Path, required=True, help="folder of clones")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--listed", type=Path, default=LISTED, help="table of what is wanted")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with args.listed.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    found = [row for row in rows if bring(row, args.repositories, args.out)]
    with (args.out / "videos.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([COLUMNS, *map(table_row, found)])
    print(f"{args.out}: {len(found)} of {len(rows)} videos, videos.csv")
    missing = sorted({row["repository"] for row in rows if row not in found})
    if missing:
        print(f"not found: files of {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
