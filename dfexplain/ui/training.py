"""The training tab: a run's curves, a data set's counts, a comparison's models, from their files.

Each figure stands above its numbers; nothing is shown without what chance would reach.
"""

from __future__ import annotations

import html
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import numpy as np

from dfexplain import evaluation, plots, run_files
from dfexplain.errors import DfExplainError
from dfexplain.plots.dataset import DatasetTable, dataset
from dfexplain.run_files import History, ModelRow, RunFiles, Stats
from dfexplain.structures import Cell, EvaluationTable, Number
from dfexplain.ui import hosting, tables, verdict, words

__all__ = ["Training", "shown", "tab", "wire"]

HERE_ONLY = ("", "127.0.0.1", "localhost", "::1")
MOST_FILES = 16


@dataclass(frozen=True)
class Training:
    """The components of the tab; no folder can be named where strangers reach the page."""

    folder: gr.Textbox | None
    show: gr.Button | None
    files: gr.File
    result: gr.HTML


def tab() -> Training:
    """Lay the tab out."""
    own = not hosting.hosted() and os.environ.get("GRADIO_SERVER_NAME", "") in HERE_ONLY
    folder = show = None
    with gr.Tab(words.TAB_TRAINING, id="training"):
        gr.HTML(words.note(words.TRAINING_LEAD), apply_default_css=False, elem_id="training-lead")
        if own:
            with gr.Row(elem_classes="weights-row"):
                folder = gr.Textbox(
                    label=words.RUN_FOLDER,
                    info=words.RUN_FOLDER_INFO,
                    max_lines=1,
                    max_length=1000,
                    scale=4,
                    elem_id="run-folder",
                )
                show = gr.Button(words.RUN_SHOW, variant="primary", scale=0, elem_id="run-show")
        files = gr.File(
            label=words.RUN_FILES,
            file_count="multiple",
            file_types=[".json", ".csv", ".yaml", ".yml"],
            height=132,
            elem_id="run-files",
        )
        result = gr.HTML(words.note(words.RUN_EMPTY), apply_default_css=False, elem_id="run-result")
    return Training(folder, show, files, result)


def shown(found: RunFiles) -> str:
    """Everything that the files hold, as HTML."""
    parts = []
    if found.histories:
        parts.append(_curves(found.histories))
    if found.stats is not None:
        parts.append(_data(found.stats))
    if found.models:
        parts.append(_models(found.models))
    if found.config is not None:
        parts.append(f"<h2>{words.CONFIG}</h2><pre>{html.escape(found.config)}</pre>")
    return f'<div class="run">{"".join(parts)}</div>'


def _figure(title: str, svg: str, said: str) -> str:
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{svg}{words.note(said)}</figure>"


def _number(value: float, digits: int = 3) -> str | None:
    return f"{value:.{digits}f}" if math.isfinite(value) else None


def _measured(
    value: float, low: float, high: float, n: float, chance: float | None
) -> Number | None:
    """A number with its interval, as far as they are known."""
    if not math.isfinite(value):
        return None
    known = math.isfinite(low) and math.isfinite(high) and low <= high
    count = int(n) if math.isfinite(n) and n > 0 else 0
    return Number(value, low if known else None, high if known else None, count, chance)


def _curves(histories: Sequence[History]) -> str:
    parts = [f"<h2>{words.CURVES}</h2>"]
    for history in histories:
        auc = history.column("val_auc")
        if np.isfinite(auc).any():
            best = int(np.nanargmax(auc))
            told = evaluation.in_words(_auc(history, best))
            line = words.best_epoch(
                history.name, int(history.epoch[best]), len(history.epoch), told
            )
            parts.append(f"<p>{html.escape(line)}</p>")
    for title, train, val, said in (
        (words.LOSS_CURVE, "loss", "val_loss", words.CURVES_HELP),
        (words.ACCURACY_CURVE, "acc", "val_acc", f"{words.CURVES_HELP} {words.ACCURACY_HELP}"),
    ):
        drawn = [
            plots.CurveTable(h.name, h.epoch, h.column(train), h.column(val)) for h in histories
        ]
        if any(np.isfinite([*curve.train, *curve.val]).any() for curve in drawn):
            known = float(histories[0].column("val_chance_acc")[-1]) if train == "acc" else math.nan
            chance = known if math.isfinite(known) else None
            figure = plots.curves(drawn, title.lower(), chance=chance)
            parts.append(_figure(title, plots.figure_svg(figure), said))
    measured = [
        plots.IntervalTable(
            h.name,
            h.epoch,
            h.column("val_auc"),
            h.column("val_auc_low"),
            h.column("val_auc_high"),
        )
        for h in histories
    ]
    if any(np.isfinite(one.value).any() for one in measured):
        figure = plots.interval_curves(measured, "AUC, validation videos", chance=0.5)
        parts.append(_figure(words.AUC_CURVE, plots.figure_svg(figure), words.AUC_HELP))
    rates = [(h.name, h.epoch, h.column("lr")) for h in histories]
    if any((rate > 0).any() for _, _, rate in rates):
        figure = plots.rate_curves(rates)
        parts.append(_figure(words.RATE_CURVE, plots.figure_svg(figure), words.RATE_HELP))
    parts += [tables.beside_figure(_epochs(history)) for history in histories]
    return "".join(parts)


def _auc(history: History, row: int) -> Number | None:
    names = ("val_auc", "val_auc_low", "val_auc_high", "val_videos")
    value, low, high, n = (float(history.column(name)[row]) for name in names)
    return _measured(value, low, high, n, 0.5)


def _epochs(history: History) -> EvaluationTable:
    def row(k: int) -> tuple[Cell, ...]:
        of = {name: float(history.column(name)[k]) for name in history.columns}
        chance, acc = of.get("val_chance_acc", math.nan), of.get("val_acc", math.nan)
        rate = of.get("lr", math.nan)
        return (
            str(history.epoch[k]),
            *(_number(of.get(name, math.nan)) for name in ("loss", "val_loss", "acc")),
            _measured(acc, math.nan, math.nan, 0, chance if math.isfinite(chance) else None),
            _auc(history, k),
            f"{rate:.2g}" if math.isfinite(rate) else None,
        )

    return EvaluationTable(
        "epochs",
        history.name,
        f"{history.name}. {words.EPOCHS_NOTE}",
        words.EPOCH_COLUMNS,
        tuple(row(k) for k in range(len(history.epoch))),
    )


def _data(stats: Stats) -> str:
    whole = stats.whole
    labelled = whole.real + whole.fake
    share = whole.fake / labelled if labelled else math.nan
    rest = [part for part in stats.parts if part.by != "all"] or list(stats.parts)
    none = np.empty(0)
    figure = dataset(
        DatasetTable(
            parts={f"{p.by} {p.value}": (p.real, p.fake, p.unlabelled) for p in rest},
            formats=stats.formats,
            resolutions=stats.resolutions,
            duration_s=none,
            fps=none,
            always_fake=share,
        )
    )
    counts = EvaluationTable(
        "counts",
        words.DATA,
        words.DATA_NOTE,
        words.DATA_COLUMNS,
        tuple(
            (
                "all videos" if p.by == "all" else f"{p.by} {p.value}",
                str(p.real + p.fake + p.unlabelled),
                str(p.real),
                str(p.fake),
                str(p.unlabelled),
                f"{100 * p.fake / (p.real + p.fake):.1f} %" if p.real + p.fake else None,
            )
            for p in stats.parts
        ),
    )
    told = ""
    if labelled:
        line = words.imbalance(whole.real, whole.fake, share, stats.unreadable)
        told = f"<p>{html.escape(line)}</p>"
    spreads = [
        (name, *(_number(spread.get(k, math.nan), 2) for k in ("least", "median", "most")))
        for name, spread in (("duration in s", stats.duration_s), ("frames a second", stats.fps))
        if spread
    ]
    further = ""
    if spreads:
        further = tables.drawn(
            EvaluationTable(
                "spreads", "Lengths and rates", words.SPREADS_NOTE, words.SPREAD_COLUMNS,
                tuple(spreads),
            )
        )  # fmt: skip
    drawn = _figure(words.DATA, plots.figure_svg(figure), words.DATA_HELP)
    return (
        f"<h2>{words.DATA}</h2>{told}{drawn}"
        f'<div class="measured">{tables.drawn(counts)}{further}</div>'
    )


def _models(models: Sequence[ModelRow]) -> str:
    bars = [
        plots.ComparisonRow(
            m.name,
            m.number("val_auc"),
            (m.number("val_auc_low"), m.number("val_auc_high")),
            int(np.nan_to_num(m.number("parameters"))),
            float(np.nan_to_num(m.number("seconds"))),
        )
        for m in models
        if math.isfinite(m.number("val_auc") + m.number("val_auc_low") + m.number("val_auc_high"))
    ]
    figures = ""
    if bars:
        for title, figure, said in (
            (words.MODEL_AUC, plots.auc_bars(bars), words.MODELS_HELP),
            (words.MODEL_COST, plots.cost_bars(bars), words.MODELS_NOTE),
        ):
            figures += _figure(title, plots.figure_svg(figure), said)
    rows = []
    for m in models:
        chance = m.number("val_chance_acc")
        parameters, seconds = m.number("parameters"), m.number("seconds")
        rows.append(
            (
                m.name,
                _measured(
                    m.number("val_auc"),
                    m.number("val_auc_low"),
                    m.number("val_auc_high"),
                    m.number("videos"),
                    0.5,
                ),
                _measured(
                    m.number("behind"), m.number("behind_low"), m.number("behind_high"), 0, None
                ),
                m.told_apart,
                _measured(
                    m.number("val_acc"), math.nan, math.nan, 0,
                    chance if math.isfinite(chance) else None,
                ),
                f"{parameters:,.0f}" if math.isfinite(parameters) else None,
                _number(seconds / 60, 1),
            )
        )  # fmt: skip
    table = EvaluationTable(
        "models", words.MODELS, words.MODELS_NOTE, words.MODEL_COLUMNS, tuple(rows)
    )
    return f'<h2>{words.MODELS}</h2>{figures}<div class="measured">{tables.drawn(table)}</div>'


def wire(at: Training) -> None:
    """Show what a folder or dropped files hold."""

    def answer(paths: Sequence[Path] | None, folder: Path | None) -> str:
        try:
            if folder is not None:
                return shown(run_files.read_folder(folder))
            return shown(run_files.read(paths)) if paths else words.note(words.RUN_EMPTY)
        except DfExplainError as error:
            return verdict.refused(words.RUN_REFUSED, error)

    def dropped(files: list[str] | None) -> str:
        return answer([Path(name) for name in files or []][:MOST_FILES], None)

    def named(folder: str) -> str:
        text = folder.strip()
        return answer(None, Path(text).expanduser() if text else None)

    at.files.change(dropped, at.files, at.result, show_progress="hidden")
    if at.folder is not None and at.show is not None:
        for event in (at.show.click, at.folder.submit):
            event(named, at.folder, at.result, show_progress="hidden")
