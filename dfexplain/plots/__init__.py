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
from dfexplain.plots.fonts import font_file
from dfexplain.plots.heatmaps import pointing
from dfexplain.plots.selective import risk_coverage
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
from dfexplain.plots.training import (
    ComparisonRow,
    CurveTable,
    IntervalTable,
    TrialTable,
    auc_bars,
    cost_bars,
    curves,
    interval_curves,
    rate_curves,
    real_scores,
    trials,
)

__all__ = [
    "INK",
    "PALETTE",
    "ComparisonRow",
    "CurveTable",
    "HistogramTable",
    "IntervalTable",
    "LaneTable",
    "RocTable",
    "TimelineTable",
    "TrialTable",
    "auc_bars",
    "cost_bars",
    "curves",
    "figure_png",
    "figure_svg",
    "font_file",
    "histogram_table",
    "interval_curves",
    "operating_point",
    "pointing",
    "rate_curves",
    "real_scores",
    "reliability",
    "risk_coverage",
    "roc",
    "roc_table",
    "score_histogram",
    "timeline",
    "timeline_table",
    "trials",
]
