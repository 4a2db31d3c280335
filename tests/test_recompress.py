"""Compressed again and analysed anew: the numbers, the table, the words, the command (K6, N6)."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from dfexplain import evaluation, hub, recompress, video
from dfexplain.__main__ import main
from dfexplain.detector import Detector
from dfexplain.errors import SettingError
from dfexplain.recompress import Recompressed, Step, Variant
from dfexplain.report import recompressed as told
from dfexplain.structures import Outcome, Reason, Sampling, Segment, Verdict, VideoReport
from tests import small_weights as small
from tests.clips import make_clip, read_clip
from tests.pages import drawn_weights
from tests.reports import REPORTS

EXAMPLE = Path(__file__).parent.parent / "examples" / "forged.mp4"
FEW = Sampling(frames=9)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(replace(drawn_weights(), config=small.CONFIG, state=small.state()))


def analysed(detector: Detector, path: Path, sampling: Sampling = FEW) -> VideoReport:
    *_, report = detector.analyze(path, sampling)
    assert isinstance(report, VideoReport)
    return report


def test_the_scores_are_those_of_analyze_on_the_encoded_file(
    detector: Detector, tmp_path: Path
) -> None:
    original = analysed(detector, EXAMPLE)
    (coarse,) = recompress.variants([35])[:1]
    steps = list(recompress.recompress(EXAMPLE, detector, original, [coarse], tmp_path / "clip"))
    (found,) = [step for step in steps if isinstance(step, Recompressed)]
    (kept,) = tmp_path.iterdir()
    assert kept.name == "clip.crf35.mp4"
    again = analysed(detector, kept, found.sampling)
    assert again.verdict == found.verdict
    assert (again.segments, again.info.sha256) == (found.segments, found.sha256)
    assert found.verdict.score != original.verdict.score
    assert kept.stat().st_size == found.size_bytes < EXAMPLE.stat().st_size
    # The same moments are looked at: presentation times stayed.
    for one, other in zip(original.previews, again.previews, strict=True):
        assert one.time_s == pytest.approx(other.time_s, abs=1e-4)
    doing = [step.doing for step in steps if isinstance(step, Step)]
    assert doing == sorted(doing, reverse=True)
    assert doing.count("encode") == original.info.frame_count


def test_times_of_an_odd_file_stay_and_half_size_is_half(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.2, 0.25, 0.9, 1.0, 1.02, 1.5]
    clip = make_clip(tmp_path / "odd.mp4", len(times), times_s=times)
    info = video.probe(clip)
    half = recompress.VARIANTS[-1]
    wish = recompress._frames(info, 8)
    out = tmp_path / "half.mp4"
    list(recompress._encode(clip, out, half, wish, info))
    read = read_clip(out, every=1)
    assert read.times == pytest.approx(times, abs=1e-4)
    assert (read.info.width_px, read.info.height_px) == (160, 120)
    assert read.numbers == list(range(len(times)))


def test_a_stopped_check_leaves_nothing_behind(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    report = replace(REPORTS["two_faces"](), sampling=FEW)
    steps = cast("Generator[Step | Recompressed]", recompress.recompress(EXAMPLE, detector, report))
    first = next(steps)
    assert isinstance(first, Step)
    assert list(tmp_path.iterdir())
    steps.close()
    assert not list(tmp_path.iterdir())


def test_long_and_large_files_are_thinned() -> None:
    info = replace(REPORTS["two_faces"]().info, width_px=640, height_px=360)
    assert recompress._frames(info, 32).every == 1
    long = recompress._frames(replace(info, frame_count=90_000), 32)
    assert (long.frames, long.every) == (recompress.MOST_FRAMES, None)
    assert recompress._frames(replace(info, frame_count=None), 32).frames == 1500
    large = recompress._frames(
        replace(info, width_px=7680, height_px=4320, frame_count=900), 32
    ).frames
    assert large is not None
    assert large * 7680 * 4320 <= recompress.MOST_PIXELS < (large + 1) * 7680 * 4320
    assert recompress._frames(replace(info, frame_count=90_000), 3000).frames == 3000


def span(start_s: float, end_s: float, face: str = "A") -> Segment:
    return Segment(face, start_s, end_s, 1.0, None)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ([], [], None),
        ([span(0, 1)], [], 0.0),
        ([span(0, 2)], [span(0, 2, "B")], 1.0),
        ([span(0, 2), span(1, 3, "B")], [span(1, 4)], 0.5),
        ([span(0, 1), span(2, 3)], [span(0, 3)], 2 / 3),
    ],
)
def test_spans_overlap_by_time(
    one: list[Segment], other: list[Segment], shared: float | None
) -> None:
    for found in (recompress.overlap(one, other), recompress.overlap(other, one)):
        assert found == (None if shared is None else pytest.approx(shared))


def made(name: str, crf: int, outcome: Outcome) -> Recompressed:
    verdict = Verdict(outcome, None, 1.0, 0.7, (0.5, 1.5), (0.6, 0.8))
    return Recompressed(
        Variant(name, crf), "0" * 64, 1000, FEW, verdict, (), 0.0, outcome is Outcome.FAKE
    )


def test_words_say_where_the_verdict_changes() -> None:
    report = REPORTS["two_faces"]()
    kept = [made("CRF 23", 23, Outcome.FAKE), made("CRF 28", 28, Outcome.FAKE)]
    lost = made("CRF 40", 40, Outcome.REAL)
    assert told.survival(report, []) == ""
    assert told.survival(report, kept) == "“Likely manipulated” survives all of CRF 23 and CRF 28."
    assert told.survival(report, [*kept, lost]) == (
        "“Likely manipulated” survives CRF 23 and CRF 28; at CRF 40 it becomes “No sign found”."
    )
    assert told.survival(report, [lost]).startswith("“Likely manipulated” does not survive: at")
    unsure = replace(lost, verdict=replace(lost.verdict, outcome=Outcome.UNCERTAIN))
    for reason in Reason:
        doubtful = replace(unsure, verdict=replace(unsure.verdict, reason=reason))
        assert str(reason) not in told.survival(report, [*kept, doubtful])
    unsure = replace(unsure, verdict=replace(unsure.verdict, reason=Reason.IN_BAND))
    assert told.survival(report, [*kept, unsure]).endswith(
        "at CRF 40 it becomes “Cannot tell” with a score inside the band."
    )
    later = [replace(unsure, variant=Variant(name, 40)) for name in ("CRF 43", "half size")]
    assert told.survival(report, [*kept, lost, *later]).endswith(
        "; at CRF 40 it becomes “No sign found”; "
        "at CRF 43 and half size it becomes “Cannot tell” with a score inside the band."
    )
    lines = evaluation.lines(told.table(report, [*kept, lost]))
    assert len(lines) == 2 + 1 + 1 + 3
    assert "0.700 (0.600 to 0.800)" in lines[-1]
    read = json.loads(told.to_json(report, [lost]))
    assert read["original"]["verdict"] == "fake"
    assert (read["encodings"][0]["crf"], read["encodings"][0]["survives"]) == (40, False)


def test_what_has_no_score_is_not_compressed(detector: Detector) -> None:
    with pytest.raises(SettingError, match="must be a video with a score, but got"):
        next(iter(recompress.recompress(EXAMPLE, detector, REPORTS["no_face"]())))
    with pytest.raises(SettingError, match="0 to 51, but got 23, 60"):
        recompress.variants([23, 60])


def test_the_command_prints_the_table_and_keeps_no_video(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The analysis is a drawn one: what it finds is tested above."""

    def drawn(self: Detector, path: Path, sampling: Sampling) -> Generator[VideoReport]:
        with video.sample(path, sampling) as stream:
            assert list(stream)
            yield replace(REPORTS["two_faces"](), info=stream.info, sampling=sampling)

    monkeypatch.setattr(hub, "load", lambda spec: drawn_weights())
    monkeypatch.setattr(Detector, "analyze", drawn)
    clip = make_clip(tmp_path / "two people.mp4", 12)
    out = tmp_path / "out"
    assert main(["recompress", str(clip), "--out", str(out), "--crf", "35", "--frames", "4"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "“Likely manipulated” survives all of CRF 35 and half size."
    (written,) = out.iterdir()
    assert written.name == "two people.recompress.json"
    read = json.loads(written.read_text("utf-8"))
    assert [one["name"] for one in read["encodings"]] == ["CRF 35", "half size"]
    assert all(one["span_overlap"] == 1.0 for one in read["encodings"])
    asked = ["recompress", str(clip), "--out", str(out), "--frames", "4", "--keep"]
    assert main([*asked, "--crf", "35"]) == 0
    kept = {path.name: path for path in out.glob("*.mp4")}
    assert set(kept) == {"two people.crf35.mp4", "two people.halfsize.mp4"}
    assert main([*asked, "--crf", "fine"]) == 2
    assert "--crf must be whole numbers, but got 'fine'" in capsys.readouterr().err
