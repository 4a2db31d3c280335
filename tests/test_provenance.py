"""What a file says of its own making: read in the cage, told as its signer's word."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import pytest

from dfexplain import provenance
from dfexplain.cage import Limits
from dfexplain.report import origin
from dfexplain.structures import Provenance, ProvenanceState
from tests.clips import make_clip

SIGNED = Path(__file__).parent / "data" / "provenance" / "signed.mp4"
installed = pytest.mark.skipif(
    importlib.util.find_spec("c2pa") is None, reason="c2pa-python, an extra, is not installed"
)


def test_without_the_extra_it_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = provenance.read(SIGNED)
    assert found.state is ProvenanceState.NOT_CHECKED
    said = origin.sentence(found)
    assert said == "provenance information: not checked (c2pa-python is not installed)"


@installed
def test_a_manifest_is_told_as_the_word_of_its_signer() -> None:
    found = provenance.read(SIGNED)
    assert found == Provenance(
        state=ProvenanceState.FOUND,
        fits=True,
        issuer="made for a test",
        generator="made for a test",
        source_types=("trainedAlgorithmicMedia",),
    )
    assert origin.sentence(found) == (
        "provenance information found (C2PA) issued by made for a test for the program made for a "
        "test: it fits the file; it says of the material: trainedAlgorithmicMedia. It is the word "
        "of its signer, who was held against no list of trusted ones."
    )


@installed
def test_a_changed_file_does_not_fit_its_manifest(tmp_path: Path) -> None:
    data = bytearray(SIGNED.read_bytes())
    data[data.rindex(b"mdat") + 40] ^= 1
    (tmp_path / "changed.mp4").write_bytes(data)
    found = provenance.read(tmp_path / "changed.mp4")
    assert (found.state, found.fits) == (ProvenanceState.FOUND, False)
    assert "assertion.bmffHash.mismatch" in found.problems
    assert "it does NOT fit the file (assertion.bmffHash.mismatch)" in origin.sentence(found)


@installed
def test_absence_is_not_evidence(tmp_path: Path) -> None:
    found = provenance.read(make_clip(tmp_path / "clip.mp4", 3))
    assert found == Provenance(ProvenanceState.NONE)
    said = origin.sentence(found)
    assert said == "no provenance information found (absence is not evidence)"
    (tmp_path / "text.mp4").write_text("no video")
    found = provenance.read(tmp_path / "text.mp4")
    assert found.state is ProvenanceState.NOT_CHECKED


@installed
def test_hostile_manifests_end_in_an_answer(tmp_path: Path) -> None:
    data, chance = SIGNED.read_bytes(), random.Random(3)
    start = data.index(b"jumb")
    states = set()
    for number in range(8):
        broken = bytearray(data)
        for _ in range(20):
            broken[start + chance.randrange(4000)] = chance.randrange(256)
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(broken[: len(broken) // 2] if number == 7 else broken)
        found = provenance.read(path)
        states.add(found.state)
        assert not found.fits
        assert origin.sentence(found).isprintable()
    assert states <= {ProvenanceState.FOUND, ProvenanceState.UNREADABLE, ProvenanceState.NONE}


@installed
def test_with_too_little_memory_there_is_an_answer_all_the_same() -> None:
    found = provenance.read(SIGNED, Limits(memory_bytes=1 << 20))
    assert found.state is ProvenanceState.UNREADABLE
