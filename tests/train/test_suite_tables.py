"""The tables of the release measurement, from drawn scores whose numbers are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfexplain import calibration as calibrations
from dfexplain import evaluation as evaluations
from dfexplain import metrics
from dfexplain.structures import EvaluationTable, Number, Outcome, Reason, Verdict
from tests import small_weights as small
from tests.train.faces import portraits
from train import gate_material
from train.forgeries import RECIPES
from train.gate_material import KINDS
from train.made_clips import ClipSet, ClipTask, tasks
from train.records import VideoRecord
from train.scores import ScoredVideo
from train.suite import gates, labelled, people, worn
from train.suite.measuring import Measured
from train.suite.numbers import Sample, share
from train.suite.written import lines, write

FITTED = small.calibration()
SHOWN = Verdict(Outcome.REAL, None, 0.0, 0.5)
HIDDEN = Verdict(Outcome.UNCERTAIN, Reason.OUT_OF_DISTRIBUTION, 0.0, None)


def number(table: EvaluationTable, row: str, column: int = 1) -> Number:
    (cell,) = [cells[column] for cells in table.rows if cells[0] == row]
    assert isinstance(cell, Number)
    return cell


def made(each: int = 6) -> tuple[list[ClipTask], list[ScoredVideo]]:
    """Clips of nine people and drawn scores: forged ones 6 higher, but those of the first recipe,
    which are missed; the first clip has no face, and every ninth has its probability withdrawn."""
    faces = [
        replace(face, identity=f"p{i}", file=f"{i}.jpg")
        for i, face in enumerate([*portraits()] * 3)
    ]
    rng = np.random.default_rng(0)
    clips = tasks(faces, ClipSet(seed=5, each=each))
    scored = []
    for i, clip in enumerate(clips):
        seen = bool(clip.record.label) and clip.record.method != RECIPES[0]
        score = float(rng.normal(6.0 * seen - 2.0, 0.5))
        verdict = HIDDEN if i % 9 == 8 else SHOWN
        scored.append(ScoredVideo(clip.record, score, face_px=60.0 + i % 90, verdict=verdict))
    scored[0] = ScoredVideo(clips[0].record, None, "no_face")
    return clips, scored


def test_an_interval_draws_whole_people() -> None:
    hits = np.repeat(np.arange(20) % 4 == 0, 25)
    groups = np.repeat(np.arange(20), 25)
    whole, each = share(hits, groups, 500), share(hits, np.arange(500), 500)
    assert whole.value == each.value == 0.25
    assert whole.low is not None
    assert whole.high is not None
    assert each.low is not None
    assert each.high is not None
    assert whole.high - whole.low > 3 * (each.high - each.low)
    none = share(np.zeros(500, bool), groups, 500)
    assert (none.low, none.high) == metrics.wilson_interval(0, 20)
    assert share(hits[:0], groups[:0], 10).value is None


def test_a_true_calibration_has_an_error_of_its_own_which_falls_with_the_clips() -> None:
    def drawn(n: int, off: float = 0.0) -> Sample:
        rng = np.random.default_rng(n)
        scores = rng.normal(0.0, 2.0, n)
        true = calibrations.p_fake(FITTED, scores + off)
        names = np.arange(n).astype(str)
        return Sample(scores, (rng.random(n) < true).astype(int), names, names < "", FITTED, 200)

    few, many = drawn(300), drawn(4800)
    for sample in (few, many):
        error, expected = sample.number("ece15").value, sample.ece_if_true()
        assert error is not None
        assert expected.low is not None
        assert expected.high is not None
        assert expected.low < error < expected.high
    ratio = few.ece_if_true().value / many.ece_if_true().value  # type: ignore[operator]
    assert ratio == pytest.approx(4.0, rel=0.25)
    wrong = drawn(4800, off=1.0)
    assert wrong.number("ece15").value > 2 * wrong.ece_if_true().high  # type: ignore[operator]
    assert replace(few, fitted=None).ece_if_true().value is None


def test_tables_of_people_say_what_the_scores_are() -> None:
    clips, scored = made()
    tables = {t.key: t for t in people.tables(clips, scored, FITTED, 40)}
    assert list(tables) == ["made", "made_recipes", "made_kinds", "made_crf", "made_face_px"]
    overall = tables["made"]
    assert "54 untouched and 54 forged clips of 9 test people" in overall.note
    auc = number(overall, "AUC")
    assert (auc.n, auc.chance) == (107, 0.5)
    assert auc.value == pytest.approx(1.0 - 0.5 / 6, abs=0.05)
    assert number(overall, "clips with a score (coverage)").value == pytest.approx(107 / 108)
    rate = number(overall, "untouched clips whose probability is withdrawn")
    assert (rate.n, rate.value) == (53, pytest.approx(6 / 53))
    # Log loss is of the probabilities that are shown.
    assert number(overall, "log loss").n == 107 - 12
    recipes = tables["made_recipes"]
    assert [row[0] for row in recipes.rows] == list(RECIPES)
    assert number(recipes, RECIPES[0]).value == pytest.approx(0.5, abs=0.15)
    assert number(recipes, RECIPES[0], 3).value == pytest.approx(1.0, abs=0.12)
    assert number(recipes, RECIPES[1]).value == 1.0
    assert number(recipes, RECIPES[1], 3) == Number(0.0, *share_of_none(9), 9, None)
    kinds = tables["made_kinds"]
    steady, shaken, whole, part = (number(kinds, str(row[0]), 2).n for row in kinds.rows)
    assert steady + shaken == whole + part == 54
    assert min(steady, shaken, whole, part) > 0
    assert sum(number(tables["made_crf"], str(r[0])).n for r in tables["made_crf"].rows) == 107
    assert [row[0] for row in tables["made_face_px"].rows] == [
        "0 to 79 px", "80 to 119 px", "120 to 159 px",
    ]  # fmt: skip


def test_groups_are_of_plain_and_filmed_clips_together() -> None:
    clips, scored = made()
    pairs = list(zip(clips, scored, strict=True))
    alone, both, groups = people.filmed(pairs[:54], pairs[54:], FITTED, 40)
    assert [table.key for table in (alone, both, groups)] == ["filmed", "both", "groups"]
    assert number(alone, "AUC").n == 53
    assert number(both, "AUC").n == 107
    tones = [cell for _, cell in groups.rows if isinstance(cell, Number)]
    assert sum(cell.n for cell in tones) == 53
    flagged = sum((cell.value or 0.0) * cell.n for cell in tones)
    untouched = "untouched clips at or above the threshold (false positives)"
    assert flagged == pytest.approx((number(both, untouched).value or 0.0) * 53)
    assert dict(groups.rows)["sex"] == people.NO_LABELS


def test_a_part_of_a_few_clips_has_no_number() -> None:
    """Three clips have an AUC too, of 0 perhaps."""
    clips, scored = made()
    scored = [replace(s, face_px=100.0) for s in scored]
    # Clips are untouched and forged in turn; the first has no score.
    for i in range(1, 20):
        scored[i] = replace(scored[i], face_px=70.0)
    *_, sizes = people.tables(clips, scored, FITTED, 100)
    few, rest = sizes.rows
    assert few[:3] == ("0 to 79 px", "too few of a class", "too few untouched ones (9)")
    assert isinstance(few[3], Number)
    assert few[3].n == 10
    assert all(isinstance(cell, Number) for cell in rest[1:])


def share_of_none(groups: int) -> tuple[float, float]:
    return metrics.wilson_interval(0, groups)


def test_without_a_calibration_what_needs_one_is_not_measured() -> None:
    clips, scored = made(2)
    overall = people.tables(clips, scored, None, 20)[0]
    known = {str(name) for name, cell in overall.rows if isinstance(cell, Number) and cell.n}
    assert known == {
        "AUC", "equal error rate", "average precision", "clips with a score (coverage)",
    }  # fmt: skip


def test_worn_clips_lose_what_the_wear_takes() -> None:
    done = worn.tasks(list(portraits()))
    assert sum(len(task.clips) for task in done) == 6
    assert {t.recipe.wear for task in done for t in task.clips} == {worn.NO_WEAR}
    spans = [t.recipe.forged_s for task in done for t in task.clips]
    assert spans == [None, (0.0, 0.5)] * 3
    clips = [replace(c, portrait=replace(c.portrait, identity=str(i // 2)))
             for i, c in enumerate([c for task in done for c in task.clips] * 8)]  # fmt: skip
    labels = np.array([c.record.label for c in clips])
    rng = np.random.default_rng(1)
    scores = np.stack([6.0 * labels + rng.normal(size=48)] * len(worn.WEARS), axis=1)
    scores[:, 3] = rng.normal(size=48)
    scores[4] = np.nan
    table = worn.table([worn.WornTask(tuple(clips))], [scores], FITTED, 50)
    assert "23 untouched and 24 forged clips of 24 test people" in table.note
    assert number(table, "CRF 33", 2).value == 0.0
    lost = number(table, "CRF 43", 2)
    assert lost.value == pytest.approx(0.5, abs=0.2)
    assert lost.low is not None
    assert lost.low > 0.2
    assert table.rows[0][2] == worn.REFERENCE


def test_wears_do_what_they_say() -> None:
    face = np.asarray(portraits()[0].rgb[:240, :200])
    plain, *others = (w([face] * 2, 120.0) for w in worn.WEARS)
    shapes = {w.name: frames[0].shape[:2] for w, frames in zip(worn.WEARS[1:], others, strict=True)}
    assert shapes["half size"] == (120, 100)
    assert shapes["quarter size"] == (60, 50)
    gaps = {
        w.name: float(np.abs(frames[0].astype(float) - plain[0]).mean())
        for w, frames in zip(worn.WEARS[1:], others, strict=True)
        if w.scale == 1.0
    }
    assert gaps["CRF 23"] < gaps["CRF 33"] < gaps["CRF 43"]
    assert gaps["noise, 10 grey levels"] > 3.0
    assert gaps["blur, 2 px of a 150 px face"] > gaps["CRF 23"]


def test_gates_count_what_is_withdrawn_and_what_should_not_be() -> None:
    _, good = made(2)
    some = gate_material.tasks(list(portraits()))
    verdicts = [HIDDEN, HIDDEN, SHOWN]
    scored = [
        ScoredVideo(t.record, None, "no_face")
        if t.kind == "noise"
        else ScoredVideo(t.record, 1.0, verdict=verdicts[i % 3])
        for i, t in enumerate(some)
    ]
    table = gates.table(some, scored, good, True, 50)
    assert len(table.rows) == len(KINDS) + 2
    assert number(table, "noise, over a face or alone").value == 1.0
    assert number(table, "cartoons").value == pytest.approx(2 / 3)
    kept = number(table, "good clips: untouched made clips")
    assert kept.n == 18
    assert kept.value is not None
    assert 0.0 < kept.value < 0.2
    blind = gates.table(some, scored, good, False, 50)
    assert {cell for _, cell in blind.rows} == {people.UNMEASURED}


def test_labelled_clips_are_paired_with_their_originals() -> None:
    def clip(name: str, label: int, original: str, score: float | None) -> ScoredVideo:
        record = VideoRecord(name, label, "clips", source_id=original)
        reason = None if score is not None else "no_face"
        return ScoredVideo(record, score, reason, verdict=SHOWN)

    scored = [
        clip("a.mp4", 0, "a", 0.0), clip("fake_a.mp4", 1, "a", 3.0), clip("b.mp4", 0, "b", 1.0),
        clip("fake_b.mp4", 1, "b", 0.5), clip("c.mp4", 1, "c", None),
    ]  # fmt: skip
    overall, each = labelled.tables(scored, FITTED, 50)
    assert number(overall, "AUC").value == 0.75
    pairs = number(overall, "fakes above their own original")
    assert (pairs.value, pairs.n, pairs.chance) == (0.5, 2, 0.5)
    assert number(overall, "clips with a score").value == 0.8
    assert [row[0] for row in each.rows] == [s.record.path for s in scored]
    assert each.rows[4][2:] == (None, None, "no_face")


def test_what_is_written_is_what_was_measured(tmp_path: Path) -> None:
    clips, scored = made(2)
    tables = tuple(people.tables(clips, scored, FITTED, 20))
    evaluation = evaluations.Evaluation("0" * 64, "drawn scores", tables)
    measured = Measured(evaluation, tuple(scored))
    write(tmp_path, measured, FITTED)
    data = json.loads((tmp_path / "evaluation.json").read_text("utf-8"))
    assert evaluations.from_dict(data) == evaluation
    assert {p.stem for p in (tmp_path / "tables").iterdir()} == {t.key for t in tables}
    rows = (tmp_path / "tables" / "made.csv").read_text("utf-8").splitlines()
    assert rows[0] == "measure,value: value,value: low,value: high,value: n,value: chance"
    assert rows[1].startswith("AUC,0.")
    assert rows[1].endswith(",35,0.5")
    assert len((tmp_path / "videos.csv").read_text("utf-8").splitlines()) == 1 + 36
    told = list(lines(evaluation))
    assert any(line.startswith("  AUC") and "n 35; chance 0.5" in line for line in told)
    assert "Made clips of unseen people" in (tmp_path / "evaluation.md").read_text("utf-8")


def test_a_sample_of_one_class_has_no_auc() -> None:
    scored = [ScoredVideo(VideoRecord(f"{i}", 0, "d"), float(i)) for i in range(4)]
    sample = Sample.of(scored, FITTED, 10)
    assert sample.number("auc").value is None
    assert sample.called_fake(1).value is None
    assert sample.called_fake(0).n == 4
