"""`python -m train push`: weights to the Hugging Face Hub, where the app loads them by name.

Refuses weights that are not calibrated (DFX004), whose heatmaps are no better than random ones
(DFX005), whose golden crops this machine answers otherwise, or whose card is not whole. One commit,
then the tag. Log in with `hf auth login` or set HF_TOKEN.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "publish weights on the Hugging Face Hub"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--weights", type=Path, required=True, help="weights folder")
    parser.add_argument("--repo", required=True, metavar="ORG/NAME", help="made if it is missing")
    parser.add_argument("--private", action="store_true", help="make a private repository")
    parser.add_argument("--tag", help="a new name for the commit, such as v1")
    parser.add_argument("--message", help="title of the commit")
    parser.add_argument(
        "--changed", metavar="WHY", help="why these weights answer otherwise than those there"
    )


def run(args: argparse.Namespace) -> None:
    """Push one weights folder."""
    from dfexplain import publish

    made = publish.push(
        args.weights,
        args.repo,
        private=args.private,
        tag=args.tag,
        message=args.message,
        changed=args.changed,
    )
    for note in made.notes:
        print(note)
    print(f"{made.url}\nload it as {made.spec}")
