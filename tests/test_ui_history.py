"""The history tab and the blind reading, without a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from dfexplain import ui
from dfexplain.errors import SettingError
from dfexplain.history import History
from dfexplain.report import bundle
from dfexplain.structures import Answer, VideoReport
from dfexplain.ui import desk, events, keeping, reading, verdict, words
from tests.pages import Drawn, drawn_weights, in_loop
from tests.reports import REPORTS
from tests.test_history import other

SEEN: frozenset[str] = frozenset()


@pytest.fixture
def store(tmp_path: Path) -> History:
    return History(tmp_path / "history.sqlite")


@pytest.fixture(scope="module")
def at() -> desk.Desk:
    def make() -> desk.Desk:
        with gr.Blocks(analytics_enabled=False), gr.Tabs():
            return desk.desk([], 60)

    return in_loop(make)


def analysed(
    at: desk.Desk, store: History | None, *, blind: bool = False, bundled: bool = False
) -> list[dict[Any, Any]]:
    """The updates of an analysis on the desk."""
    services = Drawn(pause_s=0.0, history=store).services()

    def run(*asked: Any) -> Iterator[desk.Update]:
        return events.analyse(at, services, *asked)

    asked = (Path("two_faces.mp4"), drawn_weights(), 32, False, "both")
    return list(keeping.ended(at, services, run)(blind, bundled, SEEN, *asked))


def test_an_analysis_is_kept_when_it_ends(at: desk.Desk, store: History) -> None:
    last = analysed(at, store)[-1]
    report = REPORTS["two_faces"]()
    assert [past.sha256 for past in store.list()] == [report.info.sha256]
    assert not store.list()[0].has_bundle
    assert isinstance(last[at.report], VideoReport)
    assert last[at.reading.seen] == {report.info.sha256}
    assert isinstance(analysed(at, None)[-1][at.report], VideoReport)


def test_a_damaged_history_is_one_line_on_the_desk(at: desk.Desk, store: History) -> None:
    store.path.write_text("broken")
    last = analysed(at, store)[-1]
    assert isinstance(last[at.report], VideoReport)
    assert words.NOT_KEPT in last[at.note].value
    assert "[history]" in last[at.note].value


def test_a_bundle_is_kept_if_asked_with_what_was_said(
    at: desk.Desk, store: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = REPORTS["two_faces"]()
    store.add(report)
    store.add_note(report.info.sha256, "look at the mouth")

    def write(found: object, source: object, weights: object, out: Path, attached: Any) -> str:
        out.write_bytes(b"zip with " + attached["notes.json"])
        return ""

    monkeypatch.setattr(bundle, "write_bundle", write)
    analysed(at, store, bundled=True)
    newest = store.list()[0]
    assert newest.has_bundle
    assert b"look at the mouth" in (store.bundle(newest.id) or b"")


def test_a_blind_reader_sees_nothing_before_committing(at: desk.Desk, store: History) -> None:
    updates = analysed(at, store, blind=True)
    assert all(at.report not in update and at.crop not in update for update in updates)
    assert not any("tl-plot" in str(update.get(at.timeline)) for update in updates)
    assert not any("manipulated" in str(value) for u in updates for value in u.values()
                   if isinstance(value, str))  # fmt: skip
    assert words.HIDDEN in str(updates[-1][at.verdict])
    assert isinstance(updates[-1][at.reading.sealed], VideoReport)
    assert updates[-1][at.reading.form.commit].visible is True
    # The next video begins with nothing hidden.
    fresh = desk.running(at, Path("x.mp4"))
    assert fresh[at.reading.sealed] is None
    assert fresh[at.reading.form.commit].visible is False  # type: ignore[attr-defined]


Named = dict[str, Callable[..., Any]]


@pytest.fixture
def page(store: History) -> tuple[gr.Blocks, Named]:
    """The page with this history, and its handlers by name."""
    services = Drawn(pause_s=0.0, history=store).services()
    built = in_loop(lambda: ui.build(services, Path("nowhere")))
    named = {
        fn.fn.__name__: fn.fn
        for fn in built.fns.values()
        if fn.fn is not None and fn.fn.__module__ == "dfexplain.ui.reviewing"
    }
    return built, named


def told(update: dict[Any, Any]) -> str:
    """Everything that an update says, in one text."""
    values = [getattr(value, "value", value) for value in update.values()]
    rows = [
        v.constructor_args.get("value") for v in update.values() if hasattr(v, "constructor_args")
    ]
    return f"{values} {rows}"


def test_the_tab_is_there_only_with_a_history(page: tuple[gr.Blocks, Named]) -> None:
    def ids(built: gr.Blocks) -> set[str]:
        return {getattr(block, "elem_id", None) or "" for block in built.blocks.values()}

    assert "history-table" in ids(page[0])
    without = in_loop(lambda: ui.build(Drawn().services(), Path("nowhere")))
    assert "history-table" not in ids(without)


def test_rows_cards_notes_and_readings(page: tuple[gr.Blocks, Named], store: History) -> None:
    handlers, report = page[1], REPORTS["two_faces"]()
    assert words.NOTHING_KEPT in told(handlers["refresh"](False, None))
    number = store.add(report)
    store.add(other(1))
    rows = told(handlers["refresh"](False, None))
    assert rows.index("1.mp4") < rows.index("two people.mp4")
    assert "likely manipulated" in rows
    shown = handlers["show"](number, False, None, drawn_weights(), SEEN)
    card = told(shown)
    assert "Likely manipulated" in card
    assert words.OTHER_WEIGHTS not in card
    assert words.NO_NOTES in card
    other_weights = replace(drawn_weights(), info=replace(drawn_weights().info, sha256="0" * 64))
    assert words.OTHER_WEIGHTS in told(handlers["show"](number, False, None, other_weights, SEEN))
    assert "look &lt;here&gt;" in told(handlers["write"](number, None, "look <here>", 3.0))
    assert "note must be" in told(handlers["write"](number, None, " ", None))
    said = told(handlers["read"](number, None, "ab", "fake", 4, "teeth"))
    assert "ab: fake, confidence 4 of 5, the verdict was known: teeth" in said
    assert "answer must be" in told(handlers["read"](number, None, "ab", None, 4, ""))
    assert len(store.readings()) == 1


def test_while_reading_blind_the_tab_gives_nothing_away(
    page: tuple[gr.Blocks, Named], store: History
) -> None:
    handlers, report = page[1], REPORTS["two_faces"]()
    number = store.add(report)
    store.add_reading(report.info.sha256, "ab", Answer.FAKE, 5)
    for blind, sealed in ((True, None), (False, report)):
        update = handlers["show"](number, blind, sealed, None, SEEN)
        for text in (told(handlers["refresh"](blind, sealed)), told(update)):
            assert "manipulated" not in text
            assert "ab: fake" not in text
        assert "frozenset({" not in told(update)


def test_a_reader_commits_and_then_sees(page: tuple[gr.Blocks, Named], store: History) -> None:
    handlers, report = page[1], REPORTS["two_faces"]()
    store.add(report)
    refused = handlers["committed"](report, SEEN, False, "both", "", "fake", 3, "")
    assert "reader must be" in told(refused)
    assert "manipulated" not in told(refused)
    shown = handlers["committed"](report, SEEN, False, "both", "ab", "real", 2, "calm")
    assert "Likely manipulated" in told(shown)
    seen = SEEN | {report.info.sha256}
    handlers["committed"](report, seen, False, "both", "cd", "fake", 2, "")
    assert [(one.reader, one.blind) for one in store.readings()] == [("ab", True), ("cd", False)]
    # Switching off shows it, too, and nothing waits any more.
    off = handlers["switched"](False, report, SEEN, False, "both")
    assert "Likely manipulated" in told(off)
    assert seen in off.values()
    assert "manipulated" not in told(handlers["switched"](True, report, SEEN, False, "both"))


def test_deleting_one_and_all(page: tuple[gr.Blocks, Named], store: History) -> None:
    handlers = page[1]
    first = store.add(other(1))
    for number in (2, 3):
        store.add(other(number))
    assert "Deleted: 1" in told(handlers["delete"](first, False, None))
    assert len(store.list()) == 2
    assert "Delete all 2 analyses" in told(handlers["ask"]())
    assert len(store.list()) == 2
    assert "Deleted: 2" in told(handlers["delete_all"](False, None))
    assert store.list() == ()
    store.path.write_text("broken")
    for update in (handlers["refresh"](False, None), handlers["ask"]()):
        assert "history must be" in told(update)


@pytest.mark.parametrize("name", list(REPORTS))
def test_the_card_of_the_past_says_what_the_card_said(store: History, name: str) -> None:
    report = REPORTS[name]()
    kept = store.get(store.add(report))
    card, before = verdict.past(kept.past, kept.read), verdict.card(report)
    for part in ("<header>", 'class="gauge"'):
        assert (part in card) == (part in before)
    header = before[before.index("<header>") : before.index("</header>")]
    assert header in card
    for text in report.not_checked:
        assert text in card


def test_a_form_without_an_answer_is_refused(store: History) -> None:
    with pytest.raises(SettingError, match="answer must be"):
        reading.commit(store, "0" * 64, ("ab", "maybe", 3, ""), blind=True)
