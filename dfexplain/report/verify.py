"""A bundle checked: whether its files are as they were written, and whether the video still gives
this report.

A bundle comes from anybody, so nothing in it is followed: its structure is compared with the one
that dfexplain writes, its JSON with the one text that it may have.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfexplain import hub
from dfexplain.errors import WeightsError, WeightsNotFound, WeightsRefused
from dfexplain.explain.explainer import Explainer
from dfexplain.explain.faithfulness import EXACT
from dfexplain.explain.methods import METHODS
from dfexplain.hub import Weights
from dfexplain.report import archive, bundle, words
from dfexplain.report.numbers import rounded
from dfexplain.structures import ProvenanceState, Sampling, VideoReport

__all__ = [
    "STRUCTURE",
    "Again",
    "Checked",
    "Finding",
    "check",
    "made_again",
    "same_video",
    "sampling_of",
    "weights_of",
]

PROVENANCE, VERSIONS, WEIGHTS = "provenance.json", "versions.json", "weights.json"
STRUCTURE = "the archive's own structure"
# Of what was made again, so many differing fields of a file are named, and so many explanations
# are asked for: each costs the model some passes.
MOST_FIELDS, MOST_EXPLANATIONS = 5, 100


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be: where, and what."""

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass(frozen=True)
class Checked:
    """A bundle as far as it could be read: what is wrong with it (nothing: it is as it was
    written), sha256 of each file by name, the JSON documents, and the digest."""

    findings: tuple[Finding, ...]
    files: dict[str, str]
    documents: dict[str, Any]
    digest: str


def check(path: str | Path, digest: str | None = None) -> Checked:
    """Hold every byte of a bundle against what its manifest says; `digest` is the one noted when
    it was made. Raises OSError where the file cannot be read."""
    read = archive.read(path)
    members = {member.name: member for member in read.members}
    found = [Finding(STRUCTURE, read.broken)] if read.broken else []
    found += [
        Finding(member.name, "its content does not have the checksum that stands before it")
        for member in read.members
        if not member.fits and not read.broken
    ]
    documents: dict[str, Any] = {}
    for member in read.members:
        if member.content is not None:
            try:
                documents[member.name] = json.loads(member.content)
            except (ValueError, RecursionError):
                found.append(Finding(member.name, "is not JSON"))
    manifest = members.get(bundle.MANIFEST)
    if manifest is not None and (manifest.fits or read.broken):
        found += _against(documents.get(bundle.MANIFEST), read, manifest)
    elif manifest is None and not read.broken:
        found.append(Finding(bundle.MANIFEST, "is missing"))
    if manifest is not None and digest is not None and manifest.sha256 != digest.lower():
        text = f"has the digest {manifest.sha256}, not the one that was noted"
        found.append(Finding(bundle.MANIFEST, text))
    found = found or list(_fitting(documents))
    once: dict[str, Finding] = {}
    for finding in found:
        once.setdefault(finding.name, finding)
    files = {name: member.sha256 for name, member in members.items()}
    digest = manifest.sha256 if manifest else ""
    return Checked(tuple(once.values()), files, documents, digest)


def _against(listed: Any, read: archive.Archive, manifest: archive.Member) -> Iterator[Finding]:
    """What does not fit the manifest, and what of it is not as dfexplain writes it."""
    try:
        if bundle.canonical(listed) != manifest.content:
            raise ValueError("another spelling")
        if (listed["format"], listed["format_version"]) != (bundle.FORMAT, bundle.FORMAT_VERSION):
            text = f"must have the format version {bundle.FORMAT_VERSION}, written by a dfexplain"
            yield Finding(bundle.MANIFEST, text)
            return
        wanted = {each["name"]: (each["size_bytes"], each["sha256"]) for each in listed["files"]}
    except (KeyError, RecursionError, TypeError, ValueError):
        yield Finding(bundle.MANIFEST, "is not a manifest as dfexplain writes it")
        return
    there = {member.name: member for member in read.members if member.name != bundle.MANIFEST}
    for name, member in there.items():
        if name in wanted and wanted[name] != (member.size_bytes, member.sha256):
            yield Finding(name, "is not the file that the manifest names: its sha256 differs")
        elif name not in wanted and not read.broken:
            yield Finding(name, "is not in the manifest")
    missing = () if read.broken else wanted.keys() - there.keys()
    for name in sorted(words.plain(str(name)) for name in missing):
        yield Finding(name, "stands in the manifest and is missing")


def _at(document: Any, *keys: str) -> Any:
    """A value deep in a document that may have any shape; None where it has no such place."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _fitting(documents: dict[str, Any]) -> Iterator[Finding]:
    """What the documents of a bundle say of each other and that is not so."""
    report, seen, weights = (documents.get(n) for n in ("report.json", "input.json", WEIGHTS))
    if _at(seen, "intake") != _at(seen, "after"):
        yield Finding("input.json", "names another file after the analysis than at intake")
    if not isinstance(_at(report, "sha256"), str):
        yield Finding("report.json", "is not a report as dfexplain writes it")
    if _at(seen, "intake", "sha256") != _at(report, "sha256"):
        yield Finding("input.json", "names another file than report.json")
    if _at(weights, "sha256") != _at(report, "weights", "sha256"):
        yield Finding(WEIGHTS, "names other weights than report.json")


def same_video(checked: Checked, source: str | Path) -> Finding | None:
    """None where `source` is the file that the bundle is about. Raises FileRefused."""
    wanted, got = _at(checked.documents.get("input.json"), "intake"), bundle.intake(source)
    if wanted == got:
        return None
    text = f"must have the sha256 {_at(wanted, 'sha256')} that the bundle names, but has "
    return Finding("the video", words.plain(f"{text}{got['sha256']}: it is another file"))


def sampling_of(checked: Checked) -> Sampling | None:
    """The sampling that the bundle asks for; None where it asks for none that dfexplain takes."""
    said = _at(checked.documents.get("settings.json"), "sampling")
    most = Sampling().max_frames
    try:
        sampling = Sampling(**said)
        whole = all(type(n) is int for n in (sampling.max_frames, sampling.frames or 1))
        return sampling if whole and 1 <= sampling.max_frames <= most else None
    except (TypeError, ValueError):
        return None


def weights_of(checked: Checked, spec: str | None) -> Weights:
    """The weights that a bundle names, from `spec` or, where it is None, from those that ship or
    lie in the cache: a bundle from anybody makes no request.

    Raises WeightsError where they are not here, and WeightsRefused where they are others.
    """
    named = checked.documents.get(WEIGHTS)
    name, revision, sha256 = (str(_at(named, key)) for key in ("name", "revision", "sha256"))
    local = revision == "local"
    label = words.plain(name if local else f"{name}@{revision}")
    if spec is None and local and name not in hub.shipped():
        raise WeightsNotFound(
            f"weights must be at hand to score again, but got the name {label!r:.80} of a folder "
            f"elsewhere. Name the folder that holds {words.plain(sha256):.64} with --weights."
        )
    if spec is not None:
        found = hub.load(spec)
    elif local:
        found = hub.load(name)
    else:
        try:
            found = hub.load(f"{name}@{revision}", offline=True)
        except WeightsError as error:
            raise WeightsNotFound(
                f"weights must be at hand to score again, but {label:.120} is not in the cache. "
                "Where you trust the name, fetch it: give it with --weights."
            ) from error
    if found.info.sha256 != sha256:
        raise WeightsRefused(
            f"weights must have the sha256 {words.plain(sha256):.64} that the bundle names, but "
            f"got {found.label} with {found.info.sha256}. Name the right ones with --weights."
        )
    return found


@dataclass(frozen=True)
class Again:
    """A bundle held against one made again from the video: what differs, what may differ (said,
    and no finding), and how many files are the same."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    same: int


def made_again(
    checked: Checked, report: VideoReport, source: str | Path, weights: Weights
) -> Again:
    """Make the bundle of a fresh report of the same video and hold the two against each other.

    Name of the file and of the weights are taken from the bundle: their sha256 say what they are.
    Raises as `bundle.contents`.
    """
    told, stored = checked.documents, checked.documents["report.json"]
    info = dataclasses.replace(report.info, file=str(_at(stored, "file")))
    name, revision = (str(_at(told.get(WEIGHTS), key)) for key in ("name", "revision"))
    named = dataclasses.replace(report.weights, name=name, revision=revision)
    fresh = dataclasses.replace(report, info=info, weights=named)
    files = bundle.contents(_explained(fresh, stored, weights), source, weights)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    theirs = {
        name: sha256
        for name, sha256 in checked.files.items()
        if name != bundle.MANIFEST and not name.startswith(bundle.ATTACHED)
    }
    names = sorted(name for name in theirs.keys() | hashes if theirs.get(name) != hashes.get(name))
    notes: list[str] = []
    findings: list[Finding] = []
    if VERSIONS in names:
        changes = _said(_differences(told.get(VERSIONS), json.loads(files[VERSIONS])))
        notes.append(f"the bundle was made with other versions: {changes}")
        pictures = [name for name in names if not name.endswith(".json")]
        names = [name for name in names if name not in (*pictures, VERSIONS)]
        if pictures:
            notes.append(f"{len(pictures)} files that are no JSON differ, which versions explain")
    origin = [_at(told.get(PROVENANCE), "state"), json.loads(files[PROVENANCE])["state"]]
    if PROVENANCE in names and ProvenanceState.NOT_CHECKED in origin:
        notes.append("provenance information was looked for then or now, but not both times")
        names.remove(PROVENANCE)
    for name in names:
        if name not in hashes or name not in theirs:
            text = "is not made any more" if name in theirs else "is made, but not in the bundle"
        elif name in told:
            text = f"differs: {_said(_differences(told[name], json.loads(files[name])))}"
        else:
            text = "differs from the one made again"
        findings.append(Finding(name, text))
    same = sum(theirs.get(name) == sha256 for name, sha256 in hashes.items())
    return Again(tuple(findings), tuple(notes), same)


def _explained(report: VideoReport, stored: Any, weights: Weights) -> VideoReport:
    """The report with the explanations that the stored one has, asked for again."""
    asked = _at(stored, "explanations")
    if not isinstance(asked, list) or not 0 < len(asked) <= MOST_EXPLANATIONS:
        return report
    explainer = Explainer(weights)
    methods = {METHODS[name].label: name for name in explainer.scales}
    found = []
    for one in asked:
        name, face, time_s = (_at(one, key) for key in ("method", "track_id", "time_s"))
        for lane in report.lanes:
            for row, at_s in enumerate(lane.track.time_s.tolist()):
                if (lane.track_id, rounded(at_s)) == (face, time_s) and name in methods:
                    test = _at(one, "faithfulness")
                    found.append(
                        explainer.explain(
                            report,
                            lane,
                            row,
                            methods[name],
                            faithfulness=test is not None,
                            regions=bool(_at(one, "regions")),
                            exact=_at(test, "how") == EXACT,
                        )
                    )
    spans = [span for lane in report.lanes for span in explainer.spans(report, lane)]
    carried = tuple(spans) if _at(stored, "region_spans") else ()
    return dataclasses.replace(report, explanations=tuple(found), region_spans=carried)


def _differences(was: Any, now: Any, where: str = "") -> Iterator[str]:
    """Every field in which two JSON documents differ, as `tracks[0].score 1.5, now 1.25`."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted(was.keys() | now.keys()):
            yield from _differences(was.get(key), now.get(key), f"{where}.{key}".lstrip("."))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for place, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from _differences(one, other, f"{where}[{place}]")
    elif was != now or type(was) is not type(now):
        yield words.plain(f"{where} {_short(was)}, now {_short(now)}")


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{len(value)} entries"
    return f"{json.dumps(value)!s:.80}"


def _said(differences: Iterator[str]) -> str:
    """The first differences in words, and how many follow."""
    every = list(differences)
    rest = f"; and {len(every) - MOST_FIELDS} further fields" if len(every) > MOST_FIELDS else ""
    return "; ".join(every[:MOST_FIELDS]) + rest or "in its spelling"
