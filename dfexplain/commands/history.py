"""The command `dfexplain history`: past analyses of the app on this computer."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dfexplain.commands.parsing import DONE
from dfexplain.errors import SettingError

if TYPE_CHECKING:
    from dfexplain.history import History

__all__ = ["HELP", "TEXT", "arguments", "run"]

HELP = "list, show and delete past analyses of the app"
TEXT = """\
Past analyses of the app on this computer: list them, show one with its notes and readings, delete
one or all. DFEXPLAIN_HISTORY says where they are kept ("off": nowhere)."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which analysis."""
    parser.add_argument("what", choices=("list", "show", "delete"), help="what to do")
    parser.add_argument("id", nargs="?", type=int, metavar="ID", help="the number that list shows")
    parser.add_argument("--json", action="store_true", help="show: the report's JSON as it is kept")
    parser.add_argument("--all", action="store_true", help="delete: everything that is kept")


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    from dfexplain import history

    store = history.default()
    if store is None:
        raise SettingError(
            f"history must be switched on, but {history.VARIABLE} is off or this is a hosted "
            f"Space. Unset {history.VARIABLE}."
        )
    if arguments.what == "list":
        for line in listed(store):
            print(line)
    elif arguments.what == "delete" and arguments.all:
        print(f"deleted: {store.delete_all()}")
    elif arguments.id is None:
        raise SettingError("ID must be given, but got nothing. See `dfexplain history list`.")
    elif arguments.what == "delete":
        store.delete(arguments.id)
        print("deleted: 1")
    elif arguments.json:
        print(store.get(arguments.id).document, end="")
    else:
        print(*told(store, arguments.id), sep="\n")
    return DONE


def listed(store: History) -> list[str]:
    """One line an analysis, the newest first, and how far the readers agree."""
    from dfexplain import agreement
    from dfexplain.report import review_words, words

    lines = []
    for past in store.list():
        parts = (words.head(past.verdict), words.number_of(past.verdict, past.band), past.spans)
        said = ", ".join(part for part in parts if part)
        lines.append(f"{past.id:>5}  {review_words.moment(past.when_utc)}  {past.file}: {said}")
    found = agreement.agreements(store.readings())
    return lines + [words.plain(review_words.agreement(one)) for one in found]


def told(store: History, id: int) -> list[str]:
    """One analysis with the notes and readings of its video."""
    from dfexplain.report import review_words, words

    past = store.get(id).past
    facts = [
        ("file", past.file),
        ("when", review_words.moment(past.when_utc)),
        ("sha256", past.sha256),
        ("size", f"{past.size_bytes} bytes"),
        ("weights", f"{past.weights}, sha256 {past.weights_sha256}"),
        ("sampling", past.sampling),
        ("verdict", words.head(past.verdict)),
        ("number", words.number_of(past.verdict, past.band) or "none"),
        ("because", past.because),
        ("coverage", past.coverage),
        ("bundle", "kept" if past.has_bundle else "not kept"),
    ]
    facts += [("note", review_words.note(one)) for one in store.notes(past.sha256)]
    facts += [("reading", review_words.reading(one)) for one in store.readings(past.sha256)]
    return [f"{name:<10} {words.plain(value)}" for name, value in facts]
