"""What a model card says about its data: portraits with made forgeries, or labelled videos."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from train.forgeries import RECIPES
from train.portraits import Portrait, split_of
from train.records import VideoRecord

__all__ = ["FORGERIES", "TERMS", "Subject", "portraits", "test_people", "videos"]

# What each recipe of `train.forgeries` does, and where it is from.
FORGERIES = {
    "blend": "the face blended with a changed copy of itself (self-blended images: Shiohara and "
    "Yamasaki, CVPR 2022)",
    "swap": "another person's face, aligned and matched in colour (Li et al., CVPR 2020)",
    "reconstruct": "the face as a linear autoencoder tells it (eigenfaces: Turk and Pentland, JCN "
    "1991)",
    "warp": "mouth, eyes or face moved by a smooth field, as re-enactment moves them",
    "upsample": "the face drawn up from a small grid, with the chequers of transposed convolutions "
    "(Odena et al., Distill 2016)",
    "smooth": "smoothing that keeps edges, then sharpening, as face restoration leaves",
}

# Data sets that are handed out on conditions; the names are those of train/importers.
TERMS = {
    **dict.fromkeys(
        ("celeb-df", "celeb-df-v1", "celeb-df-v2"),
        "terms of use of its authors, accepted on request (Li et al., CVPR 2020)",
    ),
    "dfdc": "licence of the challenge, accepted on download (Dolhansky et al., 2020)",
    "faceforensics": "terms of use of its authors, accepted on request (Rössler et al., ICCV 2019)",
}


@dataclass(frozen=True)
class Subject:
    """What a card says about the data: words that differ between the kinds of training.

    `data_name` and `data_type` name the validation data in the model index, `terms` has one row
    for each licence or data set, under the titles `terms_header`.
    """

    title: str
    tag: str
    licence: str
    looks_for: str
    data_name: str
    data_type: str
    trained_on: str
    terms_header: tuple[str, ...]
    terms: tuple[tuple[str, ...], ...]
    attribution: str
    clips: str
    samples: str
    limits: str
    cannot_see: str


def _people(portraits: Sequence[Portrait]) -> str:
    return f"{len(portraits)} portraits of {len({p.identity for p in portraits})} people"


def test_people(root: Path) -> int:
    """How many people of the folder's portraits.csv neither training nor validation may look at."""
    with (root / "portraits.csv").open(newline="", encoding="utf-8") as handle:
        people = {row["identity"] for row in csv.DictReader(handle)}
    return sum(split_of(identity) == "test" for identity in people)


def portraits(
    training: Sequence[Portrait],
    validation: Sequence[Portrait],
    *,
    test: int | None = None,
    left_out: str = "",
) -> Subject:
    """The subject of weights that were trained on forgeries made from portraits.

    `test` is the number of people kept for the evaluation (None: not known), `left_out` the recipe
    of `train.forgeries` that was not trained on.
    """
    licences = Counter(p.licence for p in [*training, *validation])
    recipes = "; ".join(f"{name}: {FORGERIES[name]}" for name in RECIPES if name != left_out)
    kept = "" if test is None else f", {test} further people kept for `python -m train evaluate`"
    unseen = f"The recipe `{left_out}` was left out of the training. " if left_out else ""
    return Subject(
        title="made forgeries",
        tag="self-supervised",
        licence="apache-2.0",
        looks_for=(
            "the traces that a changed face leaves in a picture: seams and mismatches of blending, "
            "and what decoders, warps, upsampling and smoothing do to a face"
        ),
        data_name="Made clips of validation portraits",
        data_type="made-clips-of-portraits",
        trained_on=(
            f"{_people(training)} for training, {_people(validation)} for validation{kept}; no "
            "person is in two of them. Every fake was made from these portraits while training "
            f"({recipes}). {unseen}A real picture and its forgery suffer the same wear: light, "
            "smoothing, sharpening, blur, scaling, noise, JPEG and H.264. The recipes are "
            "stand-ins: no generator was run, and no labelled deepfake was trained on."
        ),
        terms_header=("licence of the portraits", "portraits"),
        terms=tuple((name, str(count)) for name, count in sorted(licences.items())),
        attribution=(
            "Sources and attribution: Face Research Lab London Set (DeBruine and Jones 2017, "
            "CC BY 4.0), Canadian face set of webmorphR.stim (CC BY 4.0), the lisa set of "
            "webmorphR.stim (CC0), official portraits of members of the United States Congress "
            "(public domain)."
        ),
        clips="made clips",
        samples="made crops, one at a time",
        limits="On real video, with fakes of other kinds, a probability may be wrong",
        cannot_see=(
            "The training portraits are mostly frontal, well lit and of adults; profile views, "
            "children, occlusion and low light are hardly covered. Error rates by age and sex are "
            "not measured, those by apparent skin tone only where a table above tells them."
        ),
    )


def videos(
    training: Iterable[VideoRecord],
    validation: Iterable[VideoRecord],
    terms: Mapping[str, str],
    licence: str = "other",
) -> Subject:
    """The subject of weights that were trained on labelled videos.

    `terms` says under which terms each data set was handed out, beside those that TERMS knows. One
    without terms gets an empty cell, with which the weights cannot be published.
    """
    train, val = list(training), list(validation)
    names = sorted({v.dataset for v in [*train, *val]})
    split = (
        f"{len(train)} labelled videos for training, {len(val)} for validation. People, and videos "
        "made from one source, are never on both sides."
    )
    if not train:
        split = (
            "What these weights were trained on is not known here: people of the "
            f"{len(val)} validation videos may have been among it, and the numbers be too good."
        )
    known = TERMS | dict(terms)
    rows = []
    for name in names:
        counts = [Counter(v.label for v in part if v.dataset == name) for part in (train, val)]
        numbers = [f"{c[0]} real, {c[1]} fake" for c in counts]
        if not train:
            numbers[0] = "not known here"
        rows.append((name, known.get(name, ""), *numbers))
    methods = Counter(v.method for v in train if v.label == 1 and v.method)
    kinds = ", ".join(f"{name} ({count})" for name, count in sorted(methods.items()))
    return Subject(
        title="labelled videos",
        tag="labelled-deepfakes",
        licence=licence,
        looks_for="what tells the forged videos of its training data from the real ones",
        data_name=f"Validation split of {' + '.join(names)}",
        data_type="-".join(names),
        trained_on=split + (f" Forgeries trained on: {kinds}." if kinds else ""),
        terms_header=("data set", "terms", "training videos", "validation videos"),
        terms=tuple(rows),
        attribution=(
            "The videos are not part of these weights. Whoever uses the weights has to keep to the "
            "terms of the data sets that they were made from."
        ),
        clips="validation videos",
        samples="validation videos, from their crops",
        limits="On videos from elsewhere, with other forgeries, a probability may be wrong",
        cannot_see=(
            "Forgeries, codecs, cameras and people unlike those of the data sets are not covered. "
            "Error rates by age and sex are not measured, those by apparent skin tone only where a "
            "table above tells them."
        ),
    )
