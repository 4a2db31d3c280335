"""The look of the page: a quiet theme, the system's own letters, and three colours that speak."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from dfexplain import plots

__all__ = ["css", "theme"]


def theme() -> gr.themes.Base:
    """Neutral greys: blue, orange and grey are kept for real, fake and uncertain."""
    letters = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    fixed = ["ui-monospace", "Consolas", "Menlo", "monospace"]
    return gr.themes.Default(
        primary_hue="slate",
        secondary_hue="slate",
        neutral_hue="slate",
        font=letters,
        font_mono=fixed,
    ).set(body_text_color_subdued="*neutral_500", body_text_color_subdued_dark="*neutral_400")


def css() -> str:
    """The rules of the page, with the colours of the figures."""
    colours = "".join(f"--{name}: {colour}; " for name, colour in plots.PALETTE.items())
    rules = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    return f":root {{ {colours}}}\n{rules}"
