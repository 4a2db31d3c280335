"""The command `dfexplain serve`: the app and the HTTP API."""

from __future__ import annotations

import argparse
import sys

from dfexplain.commands.parsing import DONE, add_weights
from dfexplain.errors import SettingError

__all__ = ["EPILOG", "HELP", "TEXT", "arguments", "run"]

HELP = "serve the app and an HTTP API"
TEXT = """\
Serve the app at / and an HTTP API at /api/v1 (docs/service.md). Jobs lie in the database that
DFEXPLAIN_DATABASE names (a SQLite file of this user without it) and are done by a process of this
command, or with --no-worker by `dfexplain worker` elsewhere."""
EPILOG = """\
exit status: 0 told to stop; 2 bad weights or a bad setting (one line on stderr)."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The address, the weights, and what is served."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (127.0.0.1)")
    parser.add_argument("--port", type=int, default=7861, help="port to listen at (7861)")
    add_weights(parser)
    parser.add_argument("--no-page", action="store_true", help="serve the API alone")
    parser.add_argument("--no-worker", action="store_true", help="leave the jobs to other workers")
    parser.add_argument(
        "--new-key", metavar="NAME", help="print a new API key and its entry, and end"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    try:
        from dfexplain.service.serving import entry_of, serve
    except ImportError as error:
        raise SettingError.without_extra("batch", error) from error
    if arguments.new_key is not None:
        key, entry = entry_of(arguments.new_key)
        print(key)
        print(f"DFEXPLAIN_API_KEYS={entry}", file=sys.stderr)
        return DONE
    serve(
        host=arguments.host,
        port=arguments.port,
        weights=arguments.weights,
        page=not arguments.no_page,
        worker=not arguments.no_worker,
    )
    return DONE
