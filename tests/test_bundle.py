"""The evidence bundle: canonical, bound by its digest, and no byte of it changes unnoticed."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import random
import zipfile
from pathlib import Path

import pytest

from dfexplain import __main__ as cli
from dfexplain import hub
from dfexplain.errors import InputChanged, SettingError, WeightsRefused
from dfexplain.models import ModelConfig
from dfexplain.report import archive, bundle, to_json, verify
from dfexplain.structures import Outcome, Sampling, VideoReport
from tests.reports import Person, make_report

FILM = b"a film that nobody decodes"


@dataclasses.dataclass(frozen=True)
class Made:
    """A bundle of a drawn report, and what it was made of."""

    report: VideoReport
    source: Path
    weights: hub.Weights
    path: Path
    digest: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A bundle of a drawn report with one face and two flagged spans."""
    folder = tmp_path_factory.mktemp("bundle")
    drawn = make_report(
        (Person(0.5, forged=((3.0, 7.0),)),), Outcome.FAKE, file="clip ü.mp4", frames=12
    )
    source = folder / "clip ü.mp4"
    source.write_bytes(FILM)
    info = dataclasses.replace(
        drawn.info, sha256=hashlib.sha256(FILM).hexdigest(), size_bytes=len(FILM)
    )
    report = dataclasses.replace(drawn, info=info)
    (folder / "weights").mkdir()
    (folder / "weights" / "model.safetensors").write_bytes(b"drawn weights")
    (folder / "weights" / "config.json").write_text("{}")
    weights = hub.Weights(
        report.weights, ModelConfig(), {}, 10.0, report.calibration, None, "", folder / "weights"
    )
    path = folder / "one.zip"
    digest = bundle.write_bundle(report, source, weights, path)
    return Made(report, source, weights, path, digest)


def names_of(checked: verify.Checked) -> list[str]:
    return [finding.name for finding in checked.findings]


def test_a_fresh_bundle_holds_all_and_verifies(made: Made) -> None:
    checked = verify.check(made.path, made.digest)
    assert checked.findings == ()
    assert checked.digest == made.digest == bundle.digest_of(made.path)
    # An ordinary program opens it, and it says there what it says here.
    with zipfile.ZipFile(made.path) as opened:
        assert opened.testzip() is None
        files = {name: opened.read(name) for name in opened.namelist()}
        assert {entry.date_time for entry in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in opened.infolist()} == {0o100644}
    assert hashlib.sha256(files["manifest.json"]).hexdigest() == made.digest
    listed = json.loads(files["manifest.json"])["files"]
    assert {each["name"]: each["sha256"] for each in listed} == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if name != "manifest.json"
    }
    assert files["report.json"] == to_json(made.report).encode()
    lane = made.report.lanes[0]
    crops = [files[f"crops/A-{row:05d}.jpg"] for row in range(len(lane))]
    assert crops == list(lane.scores.crops_jpeg)
    assert {"README.txt", "report.html", "report.frames.csv", "calibration.json",
            "settings.json", "versions.json", "figures/timeline.svg", "figures/reliability.svg",
            "provenance.json"} < files.keys()  # fmt: skip
    assert sum(name.endswith("-overlay.jpg") for name in files) == 3
    said = json.loads(files["input.json"])
    assert said["name"] == "clip ü.mp4"
    assert said["intake"] == said["after"] == {
        "sha256": hashlib.sha256(FILM).hexdigest(), "size_bytes": len(FILM),
    }  # fmt: skip
    assert [each["time_s"] for each in said["sampled"]] == [p.time_s for p in made.report.previews]
    weights = json.loads(files["weights.json"])
    assert weights["files"]["model.safetensors"] == weights["sha256"] == made.weights.info.sha256
    assert "libavcodec" in json.loads(files["versions.json"])["libav"]
    assert b"does not say who made it" in files["README.txt"]


def test_the_same_report_gives_the_same_bytes(made: Made, tmp_path: Path) -> None:
    path = bundle.make_bundle(made.report, made.source, made.weights, tmp_path / "new")
    assert path.name == "clip ü.evidence.zip"
    assert path.read_bytes() == made.path.read_bytes()


def changed(data: bytes, place: int, to: random.Random) -> bytes:
    return data[:place] + bytes([data[place] ^ to.randrange(1, 256)]) + data[place + 1 :]


def places(data: bytes) -> dict[str, range]:
    """Where in the archive the content of each file lies."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        starts = {e.filename: e.header_offset + 30 + len(e.filename) for e in opened.infolist()}
        return {e.filename: range(starts[e.filename], starts[e.filename] + e.file_size)
                for e in opened.infolist()}  # fmt: skip


def test_every_change_of_one_byte_is_found_and_named(made: Made, tmp_path: Path) -> None:
    data, chance = made.path.read_bytes(), random.Random(6)
    lie = places(data)
    inside = {place for lies in lie.values() for place in lies}
    structure = [place for place in range(len(data)) if place not in inside]
    anywhere = [chance.randrange(len(data)) for _ in range(100)]
    # Most bytes are those of pictures: the small files and the structure get their own share.
    small = [chance.choice(lie[name]) for name in lie for _ in range(2)]
    altered = tmp_path / "altered.zip"
    wrong = []
    for place in anywhere + small + chance.sample(structure, 100):
        altered.write_bytes(changed(data, place, chance))
        expected = next((name for name, lies in lie.items() if place in lies), verify.STRUCTURE)
        if names_of(verify.check(altered)) != [expected]:
            wrong.append((place, expected, verify.check(altered).findings))
    assert wrong == []


def test_what_is_cut_off_or_added_is_found(made: Made, tmp_path: Path) -> None:
    data, chance = made.path.read_bytes(), random.Random(7)
    cuts = [0, 1, len(data) - 1, *(chance.randrange(len(data)) for _ in range(20))]
    other = tmp_path / "other.zip"
    for new in [data[:cut] for cut in cuts] + [data + b"\0", b"\0" + data, data + data]:
        other.write_bytes(new)
        assert names_of(verify.check(other))[0] == verify.STRUCTURE


def repacked(made: Made, path: Path, **changes: bytes | None) -> Path:
    """A well-formed archive of the bundle's files with some changed (`__` for a dot) or left out,
    under the old manifest."""
    with zipfile.ZipFile(made.path) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    for key, content in changes.items():
        name = key.replace("__", ".")
        files.pop(name, None)
        if content is not None:
            files[name] = content
    path.write_bytes(archive.packed(files))
    return path


def test_what_was_packed_again_is_found(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "again.zip"
    for changes, names in (
        ({"report__html": b"<p>nothing found</p>"}, ["report.html"]),
        ({"report__html": None}, ["report.html"]),
        ({"further__txt": b""}, ["further.txt"]),
        ({"manifest__json": None}, ["manifest.json"]),
        ({"manifest__json": b"{}\n"}, ["manifest.json"]),
        ({"manifest__json": b"[" * 100_000}, ["manifest.json"]),
    ):
        assert names_of(verify.check(repacked(made, path, **changes))) == names  # type: ignore[arg-type]
    # Made anew with a manifest that fits: only the noted digest tells.
    anew = dataclasses.replace(made.report, notes=("nothing to see",))
    digest = bundle.write_bundle(anew, made.source, made.weights, path, {"notes.txt": b"seen"})
    assert verify.check(path).findings == ()
    assert "attached/notes.txt" in verify.check(path).files
    assert verify.check(path, digest.upper()).findings == ()
    assert names_of(verify.check(path, made.digest)) == ["manifest.json"]


def test_archives_of_other_programs_are_refused(tmp_path: Path) -> None:
    for number, how in enumerate((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w", how) as other:
            other.writestr("manifest.json", "{}")
        assert names_of(verify.check(tmp_path / f"{number}.zip")) == [verify.STRUCTURE]
    for name in ("../up", "/root", "a//b", "a\\b", "ü", ".hidden", ""):
        with pytest.raises(ValueError, match="plain ASCII"):
            archive.packed({name: b""})


def test_a_file_that_changed_is_one_line(made: Made, tmp_path: Path) -> None:
    other = tmp_path / made.source.name
    other.write_bytes(FILM + b"!")
    with pytest.raises(InputChanged, match="must stay as it was when it was analysed") as caught:
        bundle.write_bundle(made.report, other, made.weights, tmp_path / "out.zip")
    assert caught.value.code == "input-changed"
    assert not (tmp_path / "out.zip").exists()


def test_weights_must_be_those_of_the_report_and_unchanged(made: Made, tmp_path: Path) -> None:
    foreign = dataclasses.replace(made.weights.info, sha256="0" * 64)
    with pytest.raises(SettingError, match="weights must be those of the report"):
        bundle.contents(made.report, made.source, dataclasses.replace(made.weights, info=foreign))
    (tmp_path / "model.safetensors").write_bytes(b"others")
    with pytest.raises(WeightsRefused, match="must stay as it was when it was loaded"):
        bundle.contents(
            made.report, made.source, dataclasses.replace(made.weights, folder=tmp_path)
        )


def test_made_again_names_the_field_that_differs(made: Made) -> None:
    checked = verify.check(made.path)
    assert verify.sampling_of(checked) == Sampling(frames=12)
    again = verify.made_again(checked, made.report, made.source, made.weights)
    assert (again.findings, again.notes) == ((), ())
    assert again.same == len(checked.files) - 1  # all but the manifest
    verdict = dataclasses.replace(made.report.verdict, score=0.25)
    renamed = dataclasses.replace(made.report.info, file="copy.mp4")
    other = dataclasses.replace(made.report, verdict=verdict, info=renamed, notes=("odd",))
    found = verify.made_again(checked, other, made.source, made.weights).findings
    named = {finding.name: finding.text for finding in found}
    assert set(named) == {"input.json", "report.json", "report.html"}
    score = made.report.verdict.score
    assert f"score {score:.6f}".rstrip("0") + ", now 0.25" in named["report.json"]
    assert named["input.json"] == "differs: notes 0 entries, now 1 entries"


def test_versions_explain_pictures_and_no_numbers(made: Made, tmp_path: Path) -> None:
    checked = verify.check(made.path)
    documents = dict(checked.documents)
    documents["versions.json"] = {"versions": {"torch": "1.0"}}
    files = checked.files | {"versions.json": "0", "report.html": "0"}
    older = dataclasses.replace(checked, documents=documents, files=files)
    again = verify.made_again(older, made.report, made.source, made.weights)
    assert again.findings == ()
    assert "other versions: " in again.notes[0]
    assert again.notes[1].startswith("1 files that are no JSON differ")


def test_the_command_says_what_is_wrong(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", str(made.path), "--digest", made.digest]) == 0
    assert f"digest {made.digest}, as noted" in capsys.readouterr().out
    assert cli.main(["verify", str(made.path), "--digest", "0" * 64]) == 2
    assert "manifest.json: has the digest" in capsys.readouterr().out
    path = repacked(made, tmp_path / "b.zip", report__html=b"\x1b[2J")
    assert cli.main(["verify", str(path)]) == 2
    assert capsys.readouterr().out.startswith("report.html: is not the file that the manifest")
    other = tmp_path / "other.mp4"
    other.write_bytes(b"another film")
    assert cli.main(["verify", str(made.path), str(other)]) == 2
    assert "it is another file" in capsys.readouterr().out
    # The drawn report names the weights `default`, which ship and are others.
    assert cli.main(["verify", str(made.path), str(made.source)]) == 2
    assert "error[weights-refused]: weights must have the sha256" in capsys.readouterr().err
    for arguments in (["x.zip"], [str(tmp_path)], [str(made.path), "--digest", "12"]):
        assert cli.main(["verify", *arguments]) == 2
        assert capsys.readouterr().err.startswith("error[setting]: ")
