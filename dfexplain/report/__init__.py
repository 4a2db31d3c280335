"""A `VideoReport` written down: JSON, CSV and one-file HTML, and the words that go with it."""

from dfexplain.report.chosen import shown_frames
from dfexplain.report.document import SCHEMA_VERSION, content, run_json, to_json
from dfexplain.report.files import (
    FORMATS,
    USUAL,
    check_formats,
    make_folder,
    safe_stem,
    write,
    write_as,
)
from dfexplain.report.page import to_html
from dfexplain.report.pdf import to_pdf
from dfexplain.report.table import frames_csv
from dfexplain.report.words import one_line

__all__ = [
    "FORMATS",
    "SCHEMA_VERSION",
    "USUAL",
    "check_formats",
    "content",
    "frames_csv",
    "make_folder",
    "one_line",
    "run_json",
    "safe_stem",
    "shown_frames",
    "to_html",
    "to_json",
    "to_pdf",
    "write",
    "write_as",
]
