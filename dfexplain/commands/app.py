"""The command `dfexplain app`."""

from __future__ import annotations

import argparse

from dfexplain.commands.parsing import DONE

__all__ = ["HELP", "TEXT", "arguments", "run"]

HELP = "start the app in the browser"
TEXT = "Start the app. DFEXPLAIN_WEIGHTS chooses its weights."


def arguments(parser: argparse.ArgumentParser) -> None:
    """None: Gradio's own variables choose address and port."""


def run(arguments: argparse.Namespace) -> int:
    """Serve the app until the program is stopped."""
    from dfexplain import floors

    # Before the packages that it asks about are imported.
    floors.check()
    from dfexplain.ui import build, launch

    launch(build())
    return DONE
