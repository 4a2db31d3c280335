"""Two sets of weights on one file: what is paired, what differs, and one look for both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfexplain import __main__ as cli
from dfexplain import hub
from dfexplain.detector import Detector
from dfexplain.errors import SettingError
from dfexplain.faces import FaceDetector, Faces
from dfexplain.report import compared
from dfexplain.structures import Lane, Outcome, Sampling, VideoReport
from tests import small_weights
from tests.report_changes import by_others
from tests.reports import REPORTS
from tests.stills import Image

FIRST = REPORTS["two_faces"]()
EXAMPLE = Path(__file__).parents[1] / "examples" / "untouched.mp4"


def lane(made: VideoReport, name: str) -> Lane:
    return next(one for one in made.lanes if one.track_id == name)


def other(outcome: Outcome = Outcome.REAL) -> VideoReport:
    return by_others(FIRST, outcome)


def test_faces_are_paired_by_their_boxes_and_not_by_their_names() -> None:
    found = compared.compare(FIRST, other())
    assert [(pair.first, pair.second) for pair in found.faces] == [("A", "B"), ("B", "A")]
    assert all(pair.overlap == pytest.approx(1.0) for pair in found.faces)
    rows = {row.what: row for row in found.rows}
    b = lane(FIRST, "B").score
    assert rows["score of face B = A"].first == f"{b:.2f}"
    assert rows["score of face B = A"].difference == f"{-b / 2:+.2f}"
    assert rows["flagged spans"].difference == "-1"


def test_differences_are_those_of_the_numbers_that_stand_beside_them() -> None:
    first, second = (
        replace(FIRST, verdict=replace(FIRST.verdict, p_fake=p)) for p in (0.974, 0.976)
    )
    (row,) = [row for row in compared.compare(first, second).rows if row.what == "p"]
    assert (row.first, row.second, row.difference) == ("0.97", "0.98", "+0.01")


def test_frames_that_only_one_flags_are_listed_with_both_logits() -> None:
    found = compared.compare(FIRST, other())
    track = lane(FIRST, "B").track
    spans = FIRST.segments
    inside = [
        int(((track.time_s >= span.start_s) & (track.time_s <= span.end_s)).sum()) for span in spans
    ]
    assert len(spans) == 2
    assert all(inside)
    assert (found.flagged_by_both, len(found.alone)) == (inside[0], inside[1])
    for one in found.alone:
        assert (one.first, one.face) == (True, "B")
        first, second = one.logits
        assert first is not None
        assert second == pytest.approx(first / 2)
    backwards = compared.compare(other(), FIRST)
    assert [one.first for one in backwards.alone] == [False] * inside[1]


@pytest.mark.parametrize(
    ("outcome", "agree", "words"),
    [
        (Outcome.FAKE, True, "They agree: both say “likely manipulated”"),
        (Outcome.REAL, False, "They contradict each other"),
        (Outcome.UNCERTAIN, None, "They do not say the same"),
    ],
)
def test_the_sentence_says_whether_they_agree(
    outcome: Outcome, agree: bool | None, words: str
) -> None:
    found = compared.compare(FIRST, other(outcome))
    assert found.agree is agree
    assert found.sentence.startswith(words)
    assert f"{found.flagged_by_both} frames are flagged by both" in found.sentence


def test_what_makes_numbers_hard_to_compare_is_said() -> None:
    notes = " ".join(compared.compare(FIRST, other()).notes)
    assert "other crops of the same faces" in notes
    assert "units of its weights" in notes
    same = compared.compare(FIRST, FIRST)
    said, *measured = same.notes
    assert said == "Both sets hold the same tensors (one sha256)."
    assert [note.split(" was ")[0] for note in measured] == ["The first", "The second"]
    assert not same.alone
    assert {row.difference for row in same.rows} <= {"+0.00", "+0", "+0.0", "the same", "–"}


def test_a_lane_that_the_other_cut_in_two_loses_no_frame() -> None:
    """Lanes are joined by features of the weights, so one set may hold two where another has
    one."""
    whole = lane(FIRST, "B")
    cut = int(np.searchsorted(whole.track.time_s, 6.0))

    def part(rows: slice, name: str) -> Lane:
        track = replace(whole.track, **{k: v[rows] for k, v in vars(whole.track).items()})
        kept = {
            "logit": whole.scores.logit[rows],
            "evidence": whole.scores.evidence[rows],
            "features": whole.scores.features[rows],
            "crops_jpeg": whole.scores.crops_jpeg[rows],
        }
        return replace(
            whole, track_id=name, track=track, scores=replace(whole.scores, **kept), p_fake=None
        )

    halves = (part(slice(0, cut), "B"), part(slice(cut, None), "C"))
    middle = float(whole.track.time_s[cut])
    spans = tuple(
        replace(span, track_id="B" if span.end_s < middle else "C") for span in FIRST.segments
    )
    second = replace(FIRST, lanes=(lane(FIRST, "A"), *halves), segments=spans)
    found = compared.compare(FIRST, second)
    assert not found.alone
    assert found.flagged_by_both > 0
    assert {(None, "B"), (None, "C")} & {(pair.first, pair.second) for pair in found.faces}
    assert "grouped differently" in " ".join(found.notes)


def test_two_files_are_not_compared() -> None:
    with pytest.raises(SettingError, match="must be of one file"):
        compared.compare(FIRST, REPORTS["untouched"]())


def test_one_look_serves_both_sets_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [small_weights.publishable(tmp_path / f"w{k}", seed=k) for k in (0, 1)]
    looks: list[int] = []
    detect = FaceDetector.detect

    def counted(self: FaceDetector, frames: list[Image]) -> list[Faces]:
        looks.append(len(frames))
        return detect(self, frames)

    monkeypatch.setattr(FaceDetector, "detect", counted)
    made = []
    for folder in sets:
        *_, found = Detector(hub.load(folder)).analyze(EXAMPLE, Sampling(frames=8))
        assert isinstance(found, VideoReport)
        made.append(found)
    assert not np.array_equal(made[0].lanes[0].scores.logit, made[1].lanes[0].scores.logit)
    assert len(looks) % 2 == 0
    each = len(looks) // 2
    arguments = ["compare", str(EXAMPLE), "--frames", "8"]
    arguments += [part for folder in sets for part in ("--weights", str(folder))]
    assert cli.main(arguments) == 0
    assert len(looks) == 3 * each
    said = capsys.readouterr().out.splitlines()
    assert said == compared.lines(compared.compare(*made))
    assert cli.main(arguments[:-2]) == 2
    assert "--weights must be given twice, but got 1" in capsys.readouterr().err
