"""How a job and its report files are named; light, so that nothing heavy is loaded for it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from dfexplain.batch.jobs import canonical
from dfexplain.report.files import safe_stem
from dfexplain.structures import Sampling

__all__ = ["parameters_of", "sampling_of", "stem_of"]


def parameters_of(sampling: Sampling) -> str:
    """What of a job's parameters decides its report, as the store wants it."""
    return canonical(asdict(sampling))


def sampling_of(parameters: str) -> Sampling:
    """The sampling that `parameters_of` wrote."""
    return Sampling(**json.loads(parameters))


def stem_of(path: str, sha256: str) -> str:
    """The stem of the report files of a file: its name, and digits of its hash."""
    return f"{safe_stem(Path(path).name)}-{sha256[:12]}"
