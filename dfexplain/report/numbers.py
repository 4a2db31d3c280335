"""How the numbers of a report are written."""

from __future__ import annotations

__all__ = ["BOX_DIGITS", "DIGITS", "rounded"]

# Decimal digits kept: seconds, logits and shares; pixels of boxes.
DIGITS = 6
BOX_DIGITS = 2


def rounded(value: float | None, digits: int = DIGITS) -> float | None:
    """`value` to `digits` decimals; None stays None, and minus zero becomes zero."""
    return None if value is None else round(float(value), digits) + 0.0
