"""`python -m train push-space`: the app to a Hugging Face Space, with the weights that it runs.

A folder or a shipped name goes up with the app and is checked as `push` checks it; weights of the
Hub are named to the Space by the variable DFEXPLAIN_WEIGHTS, at their commit. One commit. The Space
holds no token. Log in with `hf auth login` or set HF_TOKEN.
"""

from __future__ import annotations

import argparse

HELP = "put the app on a Hugging Face Space"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--repo", required=True, metavar="ORG/NAME", help="made if it is missing")
    parser.add_argument(
        "--weights",
        metavar="SPEC",
        help="a folder, a name under weights/, or org/name[@revision] on the Hub (default)",
    )
    parser.add_argument("--private", action="store_true", help="make a private Space")
    parser.add_argument("--message", help="title of the commit")
    parser.add_argument(
        "--dry-run", action="store_true", help="list the files and their sizes, send nothing"
    )


def run(args: argparse.Namespace) -> None:
    """Push the app of this clone."""
    from dfexplain import hub, space
    from dfexplain.pushing import check_name

    check_name(args.repo)
    # Not DFEXPLAIN_WEIGHTS of this machine, which is about the app here.
    planned = space.plan(args.weights or hub.DEFAULT)
    for note in planned.notes:
        print(note)
    sizes = {name: path.stat().st_size for name, path in planned.files.items()}
    if args.dry_run:
        for name, size in sizes.items():
            print(f"{size:>12,}  {name}")
    runs = planned.named or f"{planned.weights.info.name}, which goes up with it"
    print(f"{len(sizes)} files, {sum(sizes.values()):,} bytes; the Space runs {runs}")
    if args.dry_run:
        print("nothing was sent")
        return
    made = space.push(planned, args.repo, private=args.private, message=args.message)
    print(made.url)
