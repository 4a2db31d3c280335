"""FaceForensics++ (Roessler et al., ICCV 2019), with the actors of the Deep Fake Detection set.

    root/original_sequences/{youtube,actors}/{raw,c0,c23,c40}/videos/*.mp4
    root/manipulated_sequences/<method>/{raw,c0,c23,c40}/videos/*.mp4
    root/{train,val,test}.json  or  root/splits/*.json        [["071", "054"], ...]

`033_097.mp4` is sequence 033 with the face, or the movements, of 097; a pair of the official split
holds both of its sequences and both of its swaps. `01_02__scene__AB12CD34.mp4` is actor 01 in
`01__scene.mp4` with the face of actor 02; the official split does not name them. A sequence of
youtube is taken for a person of its own: 1,000 sequences came from 977 videos, so a few are not.
"""

from __future__ import annotations

import re
from pathlib import Path

from dfexplain.errors import DataError
from train.importers.files import child, children, read_json, videos_below
from train.records import SPLITS, VideoRecord

__all__ = ["matches", "read"]

NAME = "faceforensics"
COMPRESSIONS = ("raw", "c0", "c23", "c40")


def matches(root: Path) -> bool:
    """Whether one of the two folders of sequences is there."""
    return bool({"original_sequences", "manipulated_sequences"} & set(children(root)))


def read(root: Path) -> list[VideoRecord]:
    """Every video in a known place, all compressions; copies of one share their `source_id`.

    Raises DataError where the official split names a sequence in two of its files.
    """
    official = _official(root)
    records = []
    for kind, label in (("original_sequences", 0), ("manipulated_sequences", 1)):
        for method, folder in children(child(root, kind) or root / kind).items():
            for word, inner in children(folder).items():
                if word not in COMPRESSIONS:
                    continue
                videos = child(inner, "videos") or inner
                for path in videos_below(videos):
                    shown = path.relative_to(root).as_posix()
                    records.append(_record(shown, label, folder.name, method, word, official))
    return records


def _record(
    path: str, label: int, shown_method: str, method: str, word: str, official: dict[str, str]
) -> VideoRecord:
    stem = Path(path).stem
    people: tuple[str, ...] = ()
    source = f"original_sequences/{method}/{stem}" if label == 0 else ""
    split = ""
    if sequences := re.fullmatch(r"(\d{3})(?:_(\d{3}))?", stem):
        numbers = [n for n in sequences.groups() if n is not None]
        people = tuple(f"ff-{n}" for n in numbers)
        source = f"original_sequences/youtube/{numbers[0]}"
        splits = {official.get(n, "") for n in numbers}
        split = splits.pop() if len(splits) == 1 else ""
    elif actors := re.match(r"(\d\d)(?:_(\d\d))?__(.+?)(?:__\w{8})?$", stem):
        people = tuple(f"dfd-{n}" for n in actors.groups()[:2] if n is not None)
        source = f"original_sequences/actors/{actors[1]}__{actors[3]}"
    return VideoRecord(
        path=path,
        label=label,
        dataset=NAME,
        identities=people,
        source_id=f"{NAME}:{source}" if source else "",
        method=shown_method if label else "",
        compression=word,
        split=split,
    )


def _official(root: Path) -> dict[str, str]:
    """Sequence number -> split, of the three files; empty where there are none."""
    found: dict[str, str] = {}
    for split in SPLITS:
        places = (child(root, f"{split}.json"), child(root / "splits", f"{split}.json"))
        file = next((p for p in places if p is not None), None)
        if file is None:
            continue
        pairs = read_json(file)
        if not isinstance(pairs, list) or not all(
            isinstance(p, list) and len(p) == 2 and all(isinstance(n, str) for n in p)
            for p in pairs
        ):
            raise DataError(f'{file.name} must be a list of pairs like ["071", "054"].')
        for number in (n for pair in pairs for n in pair):
            if found.setdefault(number, split) != split:
                raise DataError(
                    f"sequence {number} must be in one official split, but is in {found[number]} "
                    f"and {split}. Take the files of the data set's own repository."
                )
    return found
