"""The model card that stands in a weights folder: what it was made from and what it is worth.

The front matter carries the metrics as the Hub's model index; the text carries them with their
intervals. Every number comes from the arguments, and `release_checks` compares both with
calibration.json before weights are published.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from dfexplain import evaluation as evaluations
from dfexplain.errors import SettingError
from dfexplain.models import ModelConfig
from dfexplain.release_checks import METRICS, metrics_of, stated
from dfexplain.structures import Calibration, Evaluation
from dfexplain.weights_writing import CARD_LIMITS
from train.card_data import Subject

__all__ = ["Slice", "Trained", "opened", "recalibrated", "results", "uncalibrated", "write"]

# Between these two stands what the calibration measured.
WORTH, AFTER_WORTH = "## What it is worth\n", f"\n{evaluations.CARD_START}"
BY = "and calibrated by\n`python -m train {}`"
UNSEEN = "All numbers are on people who were not trained on. "
CHOSEN = "AUC when the epoch was chosen"


@dataclass(frozen=True)
class Slice:
    """The validation videos of one kind: their number, AUC and false-positive rate; the latter two
    None where there are too few of a class."""

    name: str
    videos: int
    auc: float | None
    false_positive_rate: float | None


@dataclass(frozen=True)
class Trained:
    """How the weights came about: the run's name, its epochs, its settings as YAML, the validation
    AUC with its interval by which the epoch was chosen, and on how many samples."""

    name: str
    epochs: int
    settings: str
    auc: tuple[float, float, float]
    samples: int


def _front_matter(config: ModelConfig, calibration: Calibration, subject: Subject) -> ModelCardData:
    # Terms of research data are no licence that the Hub has a name for.
    licence_name = "terms-of-the-training-data" if subject.licence == "other" else None
    return ModelCardData(
        license=subject.licence,
        license_name=licence_name,
        library_name="dfexplain",
        pipeline_tag="video-classification",
        tags=["deepfake-detection", subject.tag],
        model_name=f"dfexplain {config.label}, {subject.title}",
        eval_results=results(calibration, subject),
    )


def results(calibration: Calibration, subject: Subject) -> list[EvalResult]:
    """The Hub's model index: each metric of the calibration, on which data, on how many videos."""
    fakes = int(calibration.labels.sum())
    counts = {
        "videos": len(calibration.labels),
        "real": len(calibration.labels) - fakes,
        "fake": fakes,
        "people": calibration.people,
    }
    return [
        EvalResult(
            task_type="video-classification",
            task_name="Detection of manipulated faces",
            dataset_type=subject.data_type,
            dataset_name=subject.data_name,
            dataset_split="validation",
            dataset_args=counts,
            metric_type=key,
            metric_name=METRICS[key],
            metric_value=round(value, 4),
            metric_args={"interval_95": [round(low, 4), round(high, 4)]},
        )
        for key, (value, (low, high)) in metrics_of(calibration).items()
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _metrics(
    calibration: Calibration, subject: Subject, further: Sequence[tuple[str, str, str]]
) -> str:
    """The table of metrics, and `further` rows below it."""
    fakes = int(calibration.labels.sum())
    reals = len(calibration.labels) - fakes
    words = stated(calibration)
    rows = [
        (
            "AUC, videos",
            words["roc_auc"],
            f"{reals} untouched and {fakes} forged {subject.clips} of {calibration.people} people",
        ),
        (
            METRICS["expected_calibration_error"] + " by person",
            words["expected_calibration_error"],
            "the same clips",
        ),
        (
            f"{METRICS['false_positive_rate']} ({calibration.threshold:.2f})",
            words["false_positive_rate"],
            f"{reals} untouched clips",
        ),
        (
            f"{METRICS['miss_rate']} (at or below {calibration.band_low:.2f})",
            words["miss_rate"],
            f"{fakes} forged clips",
        ),
    ]
    return _table(("what", "value", "measured on"), [*rows, *further])


def _slices(tables: Mapping[str, Sequence[Slice]], clips: str) -> str:
    out = []
    for title, slices in tables.items():
        rows = [
            (
                part.name,
                str(part.videos),
                "too few of a class" if part.auc is None else f"{part.auc:.3f}",
                "too few untouched ones"
                if part.false_positive_rate is None
                else f"{part.false_positive_rate:.3f}",
            )
            for part in slices
        ]
        header = (title, clips, "AUC", "untouched ones at or above the threshold")
        if rows:
            out.append(_table(header, rows))
    return "\n\n".join(out)


def _worth(
    calibration: Calibration,
    subject: Subject,
    slices: Mapping[str, Sequence[Slice]],
    unscored: int,
    unseen: str,
    further: Sequence[tuple[str, str, str]],
) -> str:
    """What the calibration measured, from WORTH to the line before AFTER_WORTH."""
    return f"""{WORTH}
{unseen}Chance is an AUC of 0.5.

{_metrics(calibration, subject, further)}

{_slices(slices, subject.clips)}

{unscored} {subject.clips} had no face that could be followed and are not in these numbers. Threshold and band were
chosen on the same videos that they are reported on, so the two rates are optimistic.

The calibration stands on {calibration.measured_on}
{subject.limits}; faces under {calibration.min_face_px:.0f} px and features unlike the training crops get no
probability at all.
"""


def write(
    *,
    config: ModelConfig,
    calibration: Calibration,
    subject: Subject,
    trained: Trained | None,
    slices: Mapping[str, Sequence[Slice]],
    unscored: int,
    size_bytes: int,
    evaluation: Evaluation | None = None,
) -> str:
    """The card in Markdown, with the Hub's front matter.

    `trained` is None for a checkpoint of another program. `slices` holds tables by their title,
    `unscored` is the number of validation videos without a score. `weights_writing.refresh_card`
    puts an evaluation in later.
    """
    unseen, further = "", []
    came, settings = "It was converted from a checkpoint of another program", ""
    if trained is not None:
        value, low, high = trained.auc
        chosen = f"{value:.3f} (95 % interval {low:.3f} to {high:.3f})"
        unseen, further = UNSEEN, [(CHOSEN, chosen, f"{trained.samples} {subject.samples}")]
        came = (
            f"It was trained by `python -m train fit` (run `{trained.name}`, {trained.epochs} "
            "epochs, recipe below)"
        )
        settings = (
            "\n`python -m train fit --config` with these settings makes such weights again:\n\n"
            f"```yaml\n{trained.settings.strip()}\n```\n"
        )
    body = f"""
# dfexplain weights: {config.label}, {subject.title}

A detector ({config.label}, {config.crop_px} px crops, margin {config.crop_margin:g}, {size_bytes / 1e6:.1f} MB) that looks for
{subject.looks_for}. {came} {BY.format("export")}.

## What it is for

A second look at videos with faces, by a person who decides: dfexplain shows the score with its calibrated probability,
where in time and where in the face it comes from, and abstains where it was not measured. It is not a verdict about
a person, and not fit to act on without one who checks.

## What it was trained on

{subject.trained_on}

{_table(subject.terms_header, subject.terms)}

{subject.attribution}

{_worth(calibration, subject, slices, unscored, unseen, further)}
{evaluations.card_section(evaluation)}
{CARD_LIMITS}
Whole-image synthesis (a picture in which nobody was filmed), lip-sync of a single word, animation, voices, and edits
outside of faces. {subject.cannot_see}

## Recipe

Code: {_commit()} when the weights were exported.
{settings}"""
    head = _front_matter(config, calibration, subject).to_yaml()
    return str(ModelCard(f"---\n{head}\n---\n{body}"))


def opened(text: str) -> ModelCard:
    """A card to change. Raises SettingError where its front matter cannot be read."""
    try:
        return ModelCard(text)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise SettingError(
            "the card of the weights must open with valid front matter, but it cannot be read. "
            "Mend it, or remove README.md."
        ) from error


def recalibrated(
    old: ModelCard,
    calibration: Calibration,
    subject: Subject,
    slices: Mapping[str, Sequence[Slice]],
    unscored: int,
) -> str:
    """The card `old` with the numbers of another calibration, in its text and its model index.

    What it says of the training stays. `subject` has the words for the videos of this calibration.
    """
    data, text = old.data, old.text
    assert isinstance(data, ModelCardData)
    same = any(r.dataset_name == subject.data_name for r in data.get("eval_results") or ())
    data.model_name = data.get("model_name") or subject.title
    data.eval_results = results(calibration, subject)
    start = text.find(WORTH)
    if start < 0:
        # A card of another hand: the numbers stand at its end.
        text = f"{text.rstrip()}\n\n"
        start = len(text)
    ends = (text.find(mark, start) for mark in (AFTER_WORTH, CARD_LIMITS))
    end = min((place for place in ends if place >= 0), default=len(text))
    before = text[start:end]
    chosen = [line.strip("| ").split(" | ") for line in before.splitlines() if CHOSEN in line]
    further = [(row[0], row[1], row[2]) for row in chosen if len(row) == 3]
    unseen = UNSEEN if same and UNSEEN in before else ""
    worth = _worth(calibration, subject, slices, unscored, unseen, further)
    told = text[:start].replace(BY.format("export"), BY.format("calibrate"))
    how = f"Code: {_commit()} when it was calibrated by `python -m train calibrate`.\n"
    return f"---\n{data.to_yaml()}\n---\n{told}{worth}\n{how}{text[end:]}"


def _commit() -> str:
    """The commit of this clone, marked where files differ from it."""
    ask = ["git", "describe", "--always", "--dirty=, with changes", "--abbrev=40", "--exclude=*"]
    try:
        told = subprocess.run(
            ask, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "commit not known"
    return f"commit {told.stdout.strip()}"


def uncalibrated(config: ModelConfig, source: str) -> str:
    """The card of weights that were converted and never measured; it cannot be published."""
    data = ModelCardData(library_name="dfexplain", tags=["deepfake-detection"])
    body = f"""
# dfexplain weights: {config.label}, converted

Converted from `{source}` by `python -m train export --from`. What it was trained on is not known here, and what it is
worth was not measured: there is no calibration, so dfexplain shows scores and no probabilities. The heatmap scale is a
guess. Give `--val-csv` to calibrate it.
"""
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n{body}"))
