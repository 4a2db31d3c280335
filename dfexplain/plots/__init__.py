"""Every figure of dfexplain, each drawn from a table that a test can check. Owns matplotlib."""

from dfexplain.plots.axes import INK, PALETTE
from dfexplain.plots.figures import (
    figure_png,
    figure_svg,
    reliability,
    roc,
    score_histogram,
    timeline,
)
from dfexplain.plots.tables import (
    HistogramTable,
    LaneTable,
    RocTable,
    TimelineTable,
    histogram_table,
    operating_point,
    roc_table,
    timeline_table,
)

__all__ = [
    "INK",
    "PALETTE",
    "HistogramTable",
    "LaneTable",
    "RocTable",
    "TimelineTable",
    "figure_png",
    "figure_svg",
    "histogram_table",
    "operating_point",
    "reliability",
    "roc",
    "roc_table",
    "score_histogram",
    "timeline",
    "timeline_table",
]
