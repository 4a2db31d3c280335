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
from dfexplain.plots.heatmaps import pointing
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
    TrialTable,
    auc_bars,
    IntervalTable,
    cost_bars,
    curves,
    real_scores,
    trials,
    interval_curves,
    rate_curves,
)

__all__ = [
    "INK",
    "PALETTE",
    "ComparisonRow",
    "CurveTable",
    "HistogramTable",
    "LaneTable",
    "RocTable",
    "IntervalTable",
    "TimelineTable",
    "TrialTable",
    "auc_bars",
    "cost_bars",
    "curves",
    "figure_png",
    "figure_svg",
    "histogram_table",
    "operating_point",
    "pointing",
    "real_scores",
    "interval_curves",
    "reliability",
    "roc",
    "rate_curves",
    "roc_table",
    "score_histogram",
    "timeline",
    "timeline_table",
    "trials",
]
