"""The check that parallel arrays are parallel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_rows"]


def check_rows(owner: str, rows: int, **arrays: NDArray[np.generic]) -> None:
    """Raise ValueError unless each array has `rows` rows; `owner` names the record."""
    for name, array in arrays.items():
        if len(array) != rows:
            raise ValueError(
                f"{owner}.{name} must have {rows} rows like the others, but got {len(array)}."
            )
