"""Components that stand in more than one tab, and alike in each."""

from __future__ import annotations

import gradio as gr

__all__ = ["HEIGHT", "button", "slider"]

# Of videos and pictures, in px.
HEIGHT = 384


def button(label: str, elem_id: str, *, visible: bool = True) -> gr.Button:
    """A small button that can be pressed once there is something to press it for."""
    return gr.Button(
        label, size="sm", scale=0, min_width=60, interactive=False, visible=visible, elem_id=elem_id
    )


def slider(label: str, elem_id: str) -> gr.ImageSlider:
    """A picture under its map, with a divider between them."""
    return gr.ImageSlider(
        label=label,
        interactive=False,
        height=HEIGHT,
        max_height=HEIGHT,
        format="jpeg",
        buttons=["fullscreen"],
        elem_id=elem_id,
    )
