"""The command `dfexplain weights`: which weights would speak, and what they are worth."""

from __future__ import annotations

import argparse

from dfexplain.commands.parsing import DONE, add_weights

__all__ = ["HELP", "TEXT", "arguments", "run", "told"]

HELP = "show which weights would speak, and what they are worth"
TEXT = (
    "Check a set of weights and print its facts: name, revision, sha256, calibration, evaluation."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The weights."""
    add_weights(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the facts."""
    print(*told(arguments.weights), sep="\n")
    return DONE


def told(spec: str | None) -> list[str]:
    """The facts of the weights that `spec` names, and every table measured with them, in lines."""
    from dfexplain import evaluation, hub
    from dfexplain.report import words

    weights = hub.load(spec)
    info, calibration, measured = weights.info, weights.calibration, weights.evaluation
    heatmaps = weights.heatmaps
    facts = [
        ("name", info.name),
        ("revision", info.revision),
        ("sha256", info.sha256),
        ("folder", str(weights.folder)),
        ("model", info.architecture),
        ("crop", f"{info.crop_px} px, margin {words.share(info.crop_margin)}"),
        ("heat scale", f"{weights.heat_scale:.3g} logits"),
    ]
    if calibration is None:
        facts.append(("calibration", "none: scores are not probabilities"))
    else:
        low, high = calibration.ece_interval
        facts += [
            ("calibration", words.operating_point(calibration)),
            ("", f"ECE {calibration.ece:.2f} ({low:.2f} to {high:.2f}), "
                 f"measured on {calibration.measured_on}"),
        ]  # fmt: skip
    facts += [
        (
            "evaluation",
            measured.measured_on if measured else f"none: {weights.unevaluated_because}",
        ),
        ("heatmaps", f"{heatmaps.method}; {heatmaps.measured_on}" if heatmaps else "not tested"),
    ]
    tables = (measured.tables if measured else ()) + (heatmaps.tables if heatmaps else ())
    lines = [f"{name:<12} {words.plain(value)}" for name, value in facts]
    for table in tables:
        lines += ["", *evaluation.lines(table)]
    return lines
