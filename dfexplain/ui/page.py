"""The page: its tabs and the events between them."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from dfexplain.ui import (
    api,
    batch,
    batching,
    calibration,
    compare,
    desk,
    downloading,
    events,
    explaining,
    history,
    reasons,
    reviewing,
    training,
    weights,
    words,
    worth,
)
from dfexplain.ui.services import Services

__all__ = ["build"]

# A report and its video are forgotten this long after they were last used: with the time to the
# next sweep, within the hour.
KEPT_S = 3000
SWEEP_S = 300
# The weights that a page has chosen are no secret, and last longer.
WEIGHTS_KEPT_S = 2 * 3600


def build(services: Services | None = None, examples: Path | None = None) -> gr.Blocks:
    """The page, ready for `launch`. `examples` is a folder of clips, else those that ship."""
    services = services or Services()
    store = services.history()
    folder = examples or Path(__file__).resolve().parents[2] / "examples"
    clips = sorted(folder.glob("*.mp4"))
    with gr.Blocks(
        title=words.TITLE, analytics_enabled=False, delete_cache=(SWEEP_S, KEPT_S)
    ) as page:
        gr.HTML(
            f'<div class="masthead"><h1>{words.TITLE}</h1><p>{words.TAGLINE}</p></div>',
            apply_default_css=False,
        )
        loaded = gr.State(None, time_to_live=WEIGHTS_KEPT_S)
        with gr.Tabs():
            at = desk.desk(clips, KEPT_S)
            why = reasons.tab(KEPT_S)
            value = worth.tab(KEPT_S)
            figures = calibration.tab()
            model = weights.tab()
            many = batch.tab(KEPT_S)
            past = None if store is None else history.tab(store)
            two = compare.tab()
            run = training.tab()
        ready = events.wire_weights(page, at, figures, model, loaded, services)
        runs = events.wire_analysis(at, loaded, services, ready)
        batching.wire(many, at, loaded, services, ready)
        if store is not None and past is not None:
            runs += reviewing.wire(at, past, loaded, store)
        events.wire_viewing(at, why, services)
        events.wire_origin(at, services, runs)
        downloading.wire(at, loaded, services, events.starts_of(at))
        explaining.wire(at, why, loaded, services, runs)
        worth.wire(at, value, loaded, services, runs)
        compare.wire(at, two, services)
        training.wire(run)
        api.wire(page, services)
    return page
