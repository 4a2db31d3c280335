"""What must hold before weights may be published: calibrated, reproducible, and honestly described.

Each check raises an error of the tree with its code; what could not be tested is said, not assumed.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import huggingface_hub as hf
import yaml

from dfexplain import evaluation, golden
from dfexplain import weights_folder as layout
from dfexplain.errors import HeatmapsAtChance, NotCalibrated, PushRefused
from dfexplain.structures import Calibration, Number
from dfexplain.weights_folder import Weights

__all__ = ["METRICS", "check", "empty_rows", "metrics_of", "stated"]

# The metrics that a card's model index may state of the validation videos, with their names.
METRICS = {
    "roc_auc": "AUC, videos",
    "expected_calibration_error": "ECE, 15 bins, cross-validated",
    "false_positive_rate": "false positives at the threshold",
    "miss_rate": 'fakes called "no sign found"',
}
# More than so much rank correlation with the maps of random weights (Adebayo et al. 2018), or less
# than so much of the heat that chance would lay on the face, and the maps show something else.
MOST_LEFT, LEAST_ON_FACE = 0.5, 0.5
_ROUND = 4
_NO_VALUE = re.compile(r"|[-–—?.]+|n/?a|nan|none|null|tbd|unknown", re.IGNORECASE)
_BAR = re.compile(r"(?<!\\)\|")
_RULER = re.compile(r":?-+:?")


def metrics_of(calibration: Calibration) -> dict[str, tuple[float, tuple[float, float]]]:
    """Each of METRICS as this calibration measured it: the value and its 95 % interval."""
    return {
        "roc_auc": (calibration.auc, calibration.auc_interval),
        "expected_calibration_error": (calibration.ece, calibration.ece_interval),
        "false_positive_rate": (
            calibration.false_positive_rate,
            calibration.false_positive_interval,
        ),
        "miss_rate": (calibration.miss_rate, calibration.miss_interval),
    }


def stated(calibration: Calibration) -> dict[str, str]:
    """How a card words each of METRICS."""
    return {
        key: f"{value:.3f} (95 % interval {low:.3f} to {high:.3f})"
        for key, (value, (low, high)) in metrics_of(calibration).items()
    }


def check(folder: Path) -> tuple[Weights, list[str]]:
    """Read weights and check that they may be published; returns what could not be tested.

    Raises WeightsNotFound or WeightsRefused where the folder does not load, NotCalibrated,
    HeatmapsAtChance, or PushRefused for answers that this machine does not repeat, measurements of
    other weights, and a card that is incomplete or states other numbers than calibration.json and
    evaluation.json.
    """
    weights = layout.read(folder)
    if weights.calibration is None:
        raise NotCalibrated(
            f"weights must be calibrated to be published, but {weights.uncalibrated_because}. "
            "Write them with `python -m train export` and validation videos."
        )
    differences = golden.verify(weights)
    if differences:
        raise PushRefused(
            f"weights must answer here as they did when they were saved, but got: {differences[0]} "
            "Export them again with the versions in use."
        )
    _check_card(weights.card, weights.calibration)
    return weights, [*_check_heatmaps(weights), *_check_evaluation(weights)]


def _check_card(card: str, calibration: Calibration) -> None:
    again = "Write it again with `python -m train export`."
    try:
        data = hf.ModelCard(card).data
    except (yaml.YAMLError, ValueError, TypeError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise PushRefused(
            f"the card must open with valid front matter, but got {first!r:.120}. {again}"
        ) from error
    for key in ("license", "eval_results"):
        if not data.get(key):
            raise PushRefused(
                f"the card must state {key} in its front matter, but lacks it. {again}"
            )
    empty = next(iter(empty_rows(card)), None)
    if empty is not None:
        raise PushRefused(
            f"the card must have no empty cell, but got the row '{' | '.join(empty):.120}'. {again}"
        )
    measured = metrics_of(calibration)
    listed = {result.metric_type: result.metric_value for result in data.get("eval_results")}
    for key, value in listed.items():
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise PushRefused(
                f"the card must state {key} as a number, but got {value!r:.40}. {again}"
            )
    words = stated(calibration)
    for key, (value, _) in measured.items():
        if listed.get(key) != round(value, _ROUND):
            raise PushRefused(
                f"the card must state the {key} of calibration.json, {value:.{_ROUND}f}, in its "
                f"model index, but got {listed.get(key)!r:.40}. {again}"
            )
        if words[key] not in card:
            raise PushRefused(
                f"the card must state the {key} of calibration.json, {words[key]}, but does not. "
                f"{again}"
            )


def empty_rows(card: str) -> list[list[str]]:
    """The rows of the card's tables that have a cell which says nothing."""
    return [row for row in _rows(card) if any(_NO_VALUE.fullmatch(cell) for cell in row)]


def _rows(card: str) -> list[list[str]]:
    """The cells of each row of each table in the card, without the lines that rule a header off."""
    lines = [line.strip() for line in card.splitlines() if line.strip().startswith("|")]
    rows = [[cell.strip() for cell in _BAR.split(line[1:].removesuffix("|"))] for line in lines]
    return [row for row in rows if not all(_RULER.fullmatch(cell) for cell in row)]


def _check_evaluation(weights: Weights) -> list[str]:
    name = layout.EVALUATION
    if weights.evaluation is None and (weights.folder / name).exists():
        raise PushRefused(
            f"{name} must belong to the weights beside it, but {weights.unevaluated_because}. "
            "Measure these weights with `python -m train evaluate --record`."
        )
    found = evaluation.section_of(weights.card)
    expected = evaluation.card_section(weights.evaluation, weights.heatmaps)
    # A card from before there were evaluations says nothing of one, and need not.
    nothing = weights.evaluation is None and weights.heatmaps is None
    if found != expected and not (found is None and nothing):
        got = "shows no evaluation" if found is None else "shows another one"
        raise PushRefused(
            f"the card must show the tables of {name} and {layout.HEATMAPS}, but {got}. Record "
            "them again with `python -m train evaluate --record` or `dfexplain explain-benchmark "
            "--record`."
        )
    if weights.evaluation is None:
        return [f"No evaluation is recorded: {weights.label} came without {name}."]
    return []


def _check_heatmaps(weights: Weights) -> list[str]:
    name, record = layout.HEATMAPS, weights.heatmaps
    if record is None:
        if (weights.folder / name).exists():
            raise PushRefused(
                f"{name} must belong to the weights beside it, but {weights.untested_because}. "
                "Measure these weights with `dfexplain explain-benchmark --record`."
            )
        return [f"The heatmaps are not tested: {weights.label} came without {name}."]
    low, high = record.gain_interval
    if not low > 0.0:
        raise HeatmapsAtChance(
            f"heatmaps must be better than random ones to be published, but got a gain of "
            f"{record.gain:.3f} (95 % interval {low:.3f} to {high:.3f}). Train further, or look at "
            "what the heatmaps show."
        )
    tables = (table for table in record.tables if table.key == evaluation.DEFAULT_MAP)
    cells = {row[0]: row[1] for table in tables for row in table.rows}
    left, face = (cells.get(name) for name in (evaluation.LEFT, evaluation.ON_FACE))
    if isinstance(left, Number) and left.low is not None and left.low > MOST_LEFT:
        raise HeatmapsAtChance(
            "heatmaps must hang on what was learnt to be published, but those of random weights "
            f"are as like them as {evaluation.in_words(left)}. Look at what the heatmaps show."
        )
    if (
        isinstance(face, Number)
        and face.high is not None
        and face.chance is not None
        and face.high < LEAST_ON_FACE * face.chance
    ):
        raise HeatmapsAtChance(
            "heatmaps must not avoid the face to be published, but the share of their heat on it "
            f"is {evaluation.in_words(face)}. Look at what the heatmaps show."
        )
    return []
