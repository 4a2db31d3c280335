"""The command line: `dfexplain analyze`, `dfexplain weights`, `dfexplain app` (see docs/cli.md)."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from dfexplain import __version__
from dfexplain.commands.parsing import BAD_INPUT, DONE, INTERRUPTED, Layout, Parser, complain
from dfexplain.errors import DfExplainError

__all__ = ["COMMANDS", "main", "parser"]

# In the order in which a user meets them; `dfexplain/commands` holds one module for each.
COMMANDS = (
    "analyze",
    "batch",
    "explain",
    "compare",
    "bundle",
    "verify",
    "annotate",
    "recompress",
    "weights",
    "explain-benchmark",
    "history",
    "serve",
    "worker",
    "app",
)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `arguments.run(arguments)` does what was asked for."""
    top = Parser(
        "dfexplain",
        description="Score videos for deepfakes and see why, with numbers that are measured.",
        formatter_class=Layout,
    )
    top.add_argument("--version", action="version", version=f"dfexplain {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"dfexplain.commands.{name.replace('-', '_')}")
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.TEXT,
            epilog=getattr(module, "EPILOG", None),
            formatter_class=Layout,
        )
        module.arguments(command)
        command.set_defaults(run=module.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal's encoding lacks must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    arguments = parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except DfExplainError as error:
        complain(error)
        return BAD_INPUT
    except BrokenPipeError:
        # Whoever read has left, as `| head` does; nor is anything to be said of it at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
