"""`python -m train <command>`: from videos or portraits to weights, and what they are worth."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from types import ModuleType

from dfexplain.allocator import keep_memory
from dfexplain.errors import DfExplainError, SettingError
from train import commands

__all__ = ["COMMANDS", "main", "parser"]

# In the order in which a project uses them; `train/commands` holds one module for each.
COMMANDS = (
    "extract",
    "split",
    "stats",
    "fit",
    "search",
    "compare",
    "leave-out",
    "evaluate",
    "alarms",
    "predict",
    "export",
    "calibrate",
    "push",
    "push-space",
)


def _modules() -> dict[str, ModuleType]:
    there = {found.name for found in pkgutil.iter_modules(commands.__path__)}
    names = {command: command.replace("-", "_") for command in COMMANDS}
    return {
        command: importlib.import_module(f"train.commands.{name}")
        for command, name in names.items()
        if name in there
    }


def parser() -> argparse.ArgumentParser:
    """The whole command line; `args.run_command(args)` runs what was asked for."""
    whole = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    subparsers = whole.add_subparsers(dest="command", required=True)
    for name, module in _modules().items():
        sub = subparsers.add_parser(name, help=module.HELP, description=module.__doc__)
        module.arguments(sub)
        sub.set_defaults(run_command=module.run)
    return whole


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 done, 2 bad input with one line on stderr."""
    args = parser().parse_args(argv)
    keep_memory()
    try:
        _run(args)
    except DfExplainError as error:
        print(f"error[{error.code}]: {error}", file=sys.stderr)
        return 2
    return 0


def _run(args: argparse.Namespace) -> None:
    """Run the command. Raises SettingError where a package that only training needs is missing."""
    try:
        args.run_command(args)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "dfexplain", "train"):
            raise
        raise SettingError(
            f"`{args.command}` must find the package {package}, but it is not installed. Run: "
            f"{sys.executable} -m pip install -r requirements-dev.txt"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
