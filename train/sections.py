"""Sections of settings: records that check types and ranges at birth."""

from __future__ import annotations

import math
from dataclasses import field, fields
from typing import Any

from dfexplain.errors import SettingError

__all__ = ["Section", "choice", "number", "several"]


def number(default: float | str, low: float, high: float = math.inf, word: str = "") -> Any:
    """A number in low..high, or `word`; whole where the default is."""
    return field(default=default, metadata={"low": low, "high": high, "word": word})


def choice(*words: str) -> Any:
    """One of `words`; the first is the default."""
    return field(default=words[0], metadata={"words": words})


def several(*words: str) -> Any:
    """Any of `words`, with spaces between them; none is the default."""
    return field(default="", metadata={"several": words})


class Section:
    """Checks types and ranges at birth, so that no setting is wrong anywhere later."""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            given = _as_number(getattr(self, item.name), item.default, item.metadata)
            object.__setattr__(self, item.name, given)
            if rule := _broken(given, item.default, item.metadata):
                raise SettingError(
                    f"{type(self).__name__.lower()}.{item.name} must {rule}, but got {given!r}. "
                    "Correct the config."
                )


def _as_number(value: Any, default: Any, metadata: Any) -> Any:
    """YAML reads 1e-4 as a string, 1 as a whole number and `off` as False."""
    if value is False and "off" in metadata.get("words", ()):
        return "off"
    if "low" not in metadata or isinstance(value, bool) or value == metadata["word"]:
        return value
    try:
        return int(value) if isinstance(default, int) and int(value) == value else float(value)
    except (TypeError, ValueError):
        return value


def _broken(value: Any, default: Any, metadata: Any) -> str:
    """The rule that `value` breaks, empty if none."""
    if "words" in metadata:
        return "" if value in metadata["words"] else f"be one of {', '.join(metadata['words'])}"
    if "several" in metadata and isinstance(value, str):
        known = metadata["several"]
        return "" if set(value.split()) <= set(known) else f"hold none but {', '.join(known)}"
    if "low" not in metadata:
        kind = type(default)
        return "" if isinstance(value, kind) else f"be of type {kind.__name__}"
    low, high, word = metadata["low"], metadata["high"], metadata["word"]
    if word and value == word:
        return ""
    whole = isinstance(default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return f"be of type {'int' if whole else 'float'}" + (f" or '{word}'" if word else "")
    if low <= value <= high:
        return ""
    return f"be at least {low:g}" if math.isinf(high) else f"lie in {low:g}..{high:g}"
