"""The command `dfexplain batch`: many files, worked through by several processes."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dfexplain.commands.parsing import (
    DONE,
    SOME_FAILED,
    add_sampling,
    add_weights,
    sampling_of,
    whole,
)
from dfexplain.errors import SettingError

if TYPE_CHECKING:
    from dfexplain.batch.queued import QueuedBatch
    from dfexplain.report.rows import FileRow

__all__ = ["EPILOG", "HELP", "TEXT", "arguments", "run"]

HELP = "score a folder or a list of videos, and go on where a killed run stopped"
TEXT = """\
Score all videos of a folder, or of a list with one path a line, by several processes. RUN gets
the reports, results.jsonl and results.csv with one row a file, and index.html over all of them.
The same bytes under two names are one row. A bad file is a row with its code and reason."""
EPILOG = """\
exit status: 0 all done; 1 the batch is done and some files failed (they are listed); 2 a bad
argument or bad weights; 130 interrupted (--resume goes on)."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The files, the folder of the run, how to look at the files, and who does it."""
    parser.add_argument("source", type=Path, metavar="DIR|LIST", help="a folder, or a list")
    parser.add_argument("--out", required=True, type=Path, metavar="RUN", help="folder of this run")
    parser.add_argument("--resume", action="store_true", help="go on with the run in RUN")
    parser.add_argument(
        "--retry", action="store_true", help="with --resume: the files that failed once more"
    )
    parser.add_argument(
        "--workers", type=whole, metavar="N", help="processes (one for each core, at most 8)"
    )
    parser.add_argument(
        "--threads",
        type=whole,
        metavar="N",
        help="threads of each process (its share of the cores)",
    )
    parser.add_argument(
        "--queue",
        action="store_true",
        help="have the workers of DFEXPLAIN_DATABASE do it (`dfexplain worker`), and wait for them",
    )
    add_weights(parser)
    add_sampling(parser)
    parser.add_argument(
        "--format",
        default="json,html",
        metavar="LIST",
        help="what to write of each file: json, html (these two), csv, pdf, vtt, srt, edl",
    )


def run(arguments: argparse.Namespace) -> int:
    """Work through the files, print the table, and say where the index is."""
    try:
        from dfexplain.batch.runs import Asked, Batch
    except ImportError as error:
        raise SettingError.without_extra("batch", error) from error
    from dfexplain.batch.folder import INDEX, RunFolder, formats_of
    from dfexplain.batch.pool import cores
    from dfexplain.batch.walk import files_of

    asked = Asked(
        files=tuple(files_of(arguments.source)),
        weights=arguments.weights,
        sampling=sampling_of(arguments),
        formats=formats_of(arguments.format),
        workers=arguments.workers or min(MOST_WORKERS, cores()),
        threads=arguments.threads,
        retry=arguments.retry,
    )
    folder = RunFolder(arguments.out, resume=arguments.resume)
    batch: Batch | QueuedBatch = Batch(folder, asked)
    if arguments.queue:
        from dfexplain.batch import queued
        from dfexplain.batch.settings import Settings

        if asked.formats != queued.FORMATS:
            raise SettingError(
                f"--format must be {','.join(queued.FORMATS)} with --queue, but got "
                f"{arguments.format!r:.60}. Leave it out: the workers write these."
            )
        batch = queued.QueuedBatch(folder, asked, Settings.read())
    with closing(batch.run()) as steps:
        follow(steps, len(asked.files))
    rows = batch.gathered.rows()
    for line in table(rows, shutil.get_terminal_size((100, 24)).columns):
        print(line)
    failed = [row for row in rows if row.state != "done"]
    for row in failed:
        print(f"error[{row.code or row.state}]: {row.name}: {row.message}", file=sys.stderr)
    print(f"{summed(rows, len(asked.files))}; {folder.path / INDEX}")
    return SOME_FAILED if failed else DONE


MOST_WORKERS = 8


def follow(steps: Iterable[int], total: int) -> None:
    """Show how many files are over, how fast, and how long it will take; on terminals only."""
    from tqdm import tqdm

    quiet = not sys.stderr.isatty()
    with tqdm(total=total, unit=" files", disable=quiet, file=sys.stderr, smoothing=0.1) as bar:
        for count in steps:
            # 0 is a sign of life: the clock goes on.
            bar.update(count) if count else bar.refresh()


def table(rows: Sequence[FileRow], width: int) -> Iterator[str]:
    """The rows in columns for a terminal of `width` characters."""
    from dfexplain.report.words import plain

    cells = [
        (
            plain(Path(row.path).name),
            row.verdict,
            _number(row.found.get("p_fake")),
            _number(row.found.get("score")),
            row.spans or row.why,
        )
        for row in rows
    ]
    head = ("file", "verdict", "p", "score", "flagged spans, or the reason")
    widths = [max(len(line[i]) for line in (head, *cells)) for i in range(4)]
    widths[0] = min(widths[0], max(12, width // 3))
    for line in (head, *cells):
        name = line[0] if len(line[0]) <= widths[0] else line[0][: widths[0] - 1] + "…"
        shown = (
            f"{name:<{widths[0]}}  {line[1]:<{widths[1]}}  {line[2]:>{widths[2]}}  "
            f"{line[3]:>{widths[3]}}  {line[4]}"
        )
        yield (shown if len(shown) <= width else shown[: width - 1] + "…").rstrip()


def _number(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else ""


def summed(rows: Sequence[FileRow], files: int) -> str:
    """How many files there were, and what was found in them."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.verdict] = counts.get(row.verdict, 0) + 1
    same = files - len(rows)
    told = [f"{count} {name}" for name, count in sorted(counts.items(), key=lambda one: -one[1])]
    told += [f"{same} with the bytes of another"] * (same > 0)
    return f"{files} files: " + ", ".join(told)
