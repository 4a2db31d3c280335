"""A bundle of a real clip with small weights: packed, verified and scored again."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from dfexplain import __main__ as cli
from dfexplain import hub
from dfexplain.detector import Detector
from dfexplain.explain.explainer import Explainer
from dfexplain.report import bundle, verify
from dfexplain.structures import Sampling, VideoReport
from dfexplain.ui import downloading
from dfexplain.ui.services import Services
from tests import small_weights as small

CLIP = Path(__file__).parents[1] / "examples" / "untouched.mp4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.publishable(tmp_path_factory.mktemp("weights") / "small")


def test_what_was_packed_is_scored_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed, copy = tmp_path / "clip.zip", tmp_path / "another name.mp4"
    shutil.copy(CLIP, copy)
    pack = ["bundle", str(CLIP), "--out", str(packed), "--weights", str(folder), "--frames", "8"]
    assert cli.main(pack) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("untouched.mp4: ")
    assert "provenance information" in said[1]
    digest = said[2].removeprefix(f"{packed}: digest ")
    check = ["verify", str(packed), str(copy), "--digest", digest]
    assert cli.main([*check, "--weights", str(folder)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == [
        "the video has the sha256 that the bundle names",
        f"scored again with small@local: {len(verify.check(packed).files) - 1} files are the same "
        "to the byte",
    ]
    # What is there is not replaced, and without the weights it says so.
    assert cli.main(pack) == 2
    assert "--out must be a new file" in capsys.readouterr().err
    assert cli.main(check) == 2
    said_wrong = capsys.readouterr().err
    assert said_wrong.startswith("error[weights-not-found]: weights must be at hand to score again")
    other = small.publishable(tmp_path / "other", seed=1)
    assert cli.main([*check, "--weights", str(other)]) == 2
    assert "weights must have the sha256" in capsys.readouterr().err


def test_explanations_are_asked_for_again(folder: Path, tmp_path: Path) -> None:
    weights = hub.load(folder)
    *_, found = Detector(weights).analyze(CLIP, Sampling(frames=8))
    assert isinstance(found, VideoReport)
    explainer = Explainer(weights)
    answer = explainer.explain(found, found.lanes[0], 3, "grad_cam", faithfulness=False)
    explained = dataclasses.replace(found, explanations=(answer,))
    bundle.write_bundle(explained, CLIP, weights, tmp_path / "one.zip")
    checked = verify.check(tmp_path / "one.zip")
    assert len(checked.documents["report.json"]["explanations"]) == 1
    again = verify.made_again(checked, found, CLIP, weights)
    assert (again.findings, again.notes) == ((), ())
    assert again.same == len(checked.files) - 1
    # The desk's bundle of a report is that of the command line.
    services = Services(history=lambda: None)
    (tmp_path / "desk").mkdir()
    *_, saved = downloading.made("bundle", found, CLIP, weights, services, tmp_path / "desk")
    assert isinstance(saved, Path)
    bundle.write_bundle(found, CLIP, weights, tmp_path / "plain.zip")
    assert saved.read_bytes() == (tmp_path / "plain.zip").read_bytes()
    assert not verify.made_again(verify.check(saved), found, CLIP, weights).findings
