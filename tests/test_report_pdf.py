"""The PDF, drawn by a renderer of its own: what it says, and where; and its bytes."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from reportlab.lib.pagesizes import A4

from dfexplain import report
from dfexplain.report import contents, pdf
from dfexplain.structures import VideoReport
from tests.report_changes import as_picture
from tests.reports import REPORTS, Person, make_report, renamed

# Both ends of what a report can hold: explained frames, and not even a face.
CASES = ("explained", "no_face")
# Less than a line of text: a page on which nothing stands between its head and its foot.
BLANK_SHARE = 0.0005
POINT_SLACK = 0.5


@functools.cache
def bytes_of(case: str) -> bytes:
    return report.to_pdf(REPORTS[case]())


@functools.cache
def told_of(case: str) -> contents.Contents:
    return contents.contents(REPORTS[case]())


def pages(data: bytes) -> Iterator[pypdfium2.PdfPage]:
    document = pypdfium2.PdfDocument(data)
    try:
        for page in document:
            yield page
            page.close()
    finally:
        document.close()


def text_of(page: pypdfium2.PdfPage) -> str:
    """The words of a page in their order, between single spaces."""
    words = page.get_textpage()
    try:
        return " ".join(str(words.get_text_bounded()).split())
    finally:
        words.close()


def all_text(data: bytes) -> str:
    return " ".join(text_of(page) for page in pages(data))


def one_line(text: str) -> str:
    return " ".join(text.split())


def outside(page: pypdfium2.PdfPage) -> list[str]:
    """Letters beyond the side margins, or off the top and bottom of the page."""
    words = page.get_textpage()
    width, height = page.get_size()
    found = []
    for k in range(words.count_chars()):
        left, bottom, right, top = words.get_charbox(k)
        letter = chr(pypdfium2.raw.FPDFText_GetUnicode(words, k))
        if letter.strip() and (
            left < pdf.MARGIN - POINT_SLACK
            or right > width - pdf.MARGIN + POINT_SLACK
            or bottom < 0.5 * pdf.MARGIN
            or top > height - 0.5 * pdf.MARGIN
        ):
            found.append(letter)
    words.close()
    return found


def ink(page: pypdfium2.PdfPage) -> np.ndarray:
    """Where a page is not white (H, W), a pixel a point."""
    bitmap = page.render(scale=1)
    drawn = np.asarray(bitmap.to_numpy())[:, :, :3].min(axis=2) < 245
    bitmap.close()
    return drawn


def laid_out_well(data: bytes) -> int:
    """Check every page; how many there are."""
    count = 0
    for page in pages(data):
        count += 1
        assert page.get_size() == pytest.approx(A4, abs=0.01)
        assert outside(page) == []
        drawn = ink(page)
        side = int(pdf.MARGIN) - 3
        assert not drawn[:, :side].any()
        assert not drawn[:, -side:].any()
        body = drawn[int(pdf.HEAD) : -int(pdf.FOOT), :]
        assert body.mean() > BLANK_SHARE
    return count


@pytest.mark.parametrize("case", CASES)
def test_every_page_is_filled_and_within_its_margins(case: str) -> None:
    data = bytes_of(case)
    count = laid_out_well(data)
    for number, page in enumerate(pages(data), 1):
        text = text_of(page)
        assert f"page {number} of {count}" in text
        assert text.startswith("dfexplain report")
        assert REPORTS[case]().info.sha256 in text
        assert REPORTS[case]().info.file in text


@pytest.mark.parametrize("case", CASES)
def test_it_says_all_that_the_page_says(case: str) -> None:
    made, text = REPORTS[case](), all_text(bytes_of(case))
    told = told_of(case)
    said = [told.headline, told.number, *told.says, *told.basis, told.timeline or "", told.worth]
    said += [title for key, title in contents.TITLES.items() if key != "notes" or told.notes]
    said += [*told.limits, *told.not_checked, *told.notes]
    said += [part for fact in told.facts for part in fact]
    said += [caption for _, caption in contents.FIGURES]
    if told.band is not None:
        said += told.band.keys
    if told.evidence is not None:
        said += [told.evidence.title, *contents.CAPTIONS, *told.evidence.ends, *told.evidence.says]
        for frame in told.evidence.frames:
            said += [f"{frame.clock}, face {frame.face}: {frame.value}", *frame.said]
    lower = text.lower()
    assert [line for line in said if one_line(line).lower() not in lower] == []
    assert made.weights.sha256 in text


def test_the_most_eventful_report_names_what_each_frame_is_worth() -> None:
    text = all_text(bytes_of("explained"))
    assert "p 0.93 (cannot tell between 0.33 and 0.62)" in text
    assert re.search(r"when the mouth is covered", text)
    assert "with one region covered at a time: mouth 0." in text
    assert "map +1.50, random map +0.40" in text
    assert "Measured on 120 made clips of 60 validation people" in text
    assert "At this threshold" in text


def test_its_pictures_are_those_of_the_report() -> None:
    shown = told_of("explained").evidence
    assert shown is not None
    # Crop, map and whole frame of each; the colour bar, the timeline, two figures.
    assert pictures_in(bytes_of("explained")) == 3 * len(shown.frames) + 4
    assert pictures_in(bytes_of("no_face")) == 3


def pictures_in(data: bytes) -> int:
    kinds = [o.type for page in pages(data) for o in page.get_objects()]
    return kinds.count(pypdfium2.raw.FPDF_PAGEOBJ_IMAGE)


def test_the_same_report_gives_the_same_bytes() -> None:
    made = stripped(REPORTS["explained"]())
    once = report.to_pdf(made)
    assert report.to_pdf(made) == once
    assert report.to_pdf(REPORTS["no_face"]()) == bytes_of("no_face")


def stripped(made: VideoReport) -> VideoReport:
    """Without what makes drawing slow and is tested above."""
    return dataclasses.replace(made, calibration=None, previews=())


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("a" * 250 + ".mp4", "a" * 60),
        ("<b>&amp;<para> x.mp4", "<b>&amp;<para> x.mp4"),
        ("日本 é ü ß.mp4", r"\u65e5\u672c é ü ß.mp4"),
        ("\U0001f600 \u202e\udcff\x1b.mp4", "\\u1f600 \ufffd?\ufffd.mp4"),
        ("שלום.mp4", r"\u05e9\u05dc\u05d5\u05dd.mp4"),
    ],
    ids=["long", "markup", "no-glyph", "control", "right-to-left"],
)
def test_odd_names_neither_break_nor_overflow(file: str, shown: str) -> None:
    made = stripped(renamed(REPORTS["too_few_frames"](), file))
    made = dataclasses.replace(
        made,
        notes=(file * 3,),
        weights=dataclasses.replace(made.weights, name=file, revision=file[::-1]),
    )
    data = report.to_pdf(made)
    assert laid_out_well(data) <= 3
    assert shown in all_text(data)


def test_many_lanes_go_over_several_pages() -> None:
    people = [Person(0.1, side=0.1 + 0.004 * k, absent=((1.0, 10.0),)) for k in range(9)]
    made = make_report(people, REPORTS["untouched"]().verdict.outcome, frames=8)
    data = report.to_pdf(stripped(made))
    assert laid_out_well(data) <= 4
    # Of three lanes each; the colour bar and the frame that is shown.
    assert pictures_in(data) == 3 + 3


def test_a_picture_has_no_timeline() -> None:
    data = report.to_pdf(as_picture(REPORTS["uncalibrated"]()))
    assert laid_out_well(data) <= 2
    text = all_text(data)
    assert "The faces of the picture" in text
    assert "Over time" not in text


def test_it_is_written_whole(tmp_path: Path) -> None:
    made = stripped(REPORTS["no_face"]())
    paths = report.write(made, tmp_path, ["pdf"])
    assert [path.name for path in paths] == ["landscape.pdf", "landscape.run.json"]
    assert paths[0].read_bytes() == report.to_pdf(made)
    assert paths[0].read_bytes() != report.to_pdf(renamed(made, "landscape 2.mp4"))
