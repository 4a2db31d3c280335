"""Where the app runs: on a desktop, or on a Hugging Face Space, where visitors are strangers."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any, TypeVar

from dfexplain import hub
from dfexplain.errors import SettingError
from dfexplain.hub import Weights

__all__ = ["device", "gpu", "hosted", "load", "mcp_server"]

Work = TypeVar("Work", bound=Callable[..., Any])

# Seconds of a ZeroGPU machine that one analysis may take; faces are looked for on its CPU.
GPU_S = 120


def hosted() -> bool:
    """Whether this is a Space: the Hub sets SPACE_ID there."""
    return bool(os.environ.get("SPACE_ID"))


def _zero_gpu() -> bool:
    return hosted() and os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def device() -> str:
    """Where models score: `cuda` on a ZeroGPU Space, else `cpu`, which repeats its numbers."""
    return "cuda" if _zero_gpu() else "cpu"


def gpu(work: Work) -> Work:
    """On a ZeroGPU Space, have a GPU lent while `work` runs; elsewhere `work` as it is.

    Arguments and results then go to another process and back, so they must be such as pickle takes.
    """
    if not _zero_gpu():
        return work
    try:
        # By its name: the package is there on Spaces only, and no requirement.
        spaces = importlib.import_module("spaces")
    except ImportError:
        return work
    lent: Work = spaces.GPU(duration=GPU_S)(work)
    return lent


def load(spec: str | None) -> Weights:
    """Weights as `hub.load` finds them; a visitor of a Space cannot name a folder of its server.

    Without a `spec` the one who runs the app has chosen, so DFEXPLAIN_WEIGHTS may be a folder.
    """
    return hub.load(spec, folders=spec is None or not hosted())


def mcp_server() -> bool:
    """Whether the endpoints are to be tools for language models, too: DFEXPLAIN_MCP=1.

    Raises SettingError for another value, and where the extra `mcp` is not installed.
    """
    asked = os.environ.get("DFEXPLAIN_MCP", "")
    if asked not in ("", "0", "1"):
        raise SettingError(f"DFEXPLAIN_MCP must be 1 or 0, but got {asked!r:.40}. Correct it.")
    if asked == "1" and importlib.util.find_spec("mcp") is None:
        raise SettingError(
            "the package mcp must be there for DFEXPLAIN_MCP=1, but is not installed. Install it "
            "with `pip install '.[mcp]'` in the clone, or unset the variable."
        )
    return asked == "1"
