"""The pages of reports, from their templates: escaped, and without a name that nobody gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jinja2

__all__ = ["template"]


def template(name: str, **filters: Callable[..., Any]) -> jinja2.Template:
    """The template `name` of this room, with filters of its own."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dfexplain.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(name)
