"""The evidence bundle: one zip with a report, all that it rests on, and a hash of every file.

It is canonical (`archive`), so that the same report gives the same bytes, and it is bound by one
number, its digest: the sha256 of `manifest.json`, which holds the sha256 of every other file.
`docs/bundle.md` describes the format, what a bundle shows and what it does not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfexplain import __version__, aggregate, lanes, plots, provenance, weights_folder
from dfexplain import calibration as calibrations
from dfexplain.cage import admit, shown_name
from dfexplain.encode import libraries
from dfexplain.errors import InputChanged, SettingError, WeightsRefused
from dfexplain.hub import Weights
from dfexplain.report import archive, pictures, shown_frames
from dfexplain.report.document import file_name, machine, to_json, versions
from dfexplain.report.files import make_folder, not_writable, safe_stem, write_whole
from dfexplain.report.page import to_html
from dfexplain.report.table import frames_csv
from dfexplain.structures import VideoReport

__all__ = [
    "ATTACHED",
    "FORMAT",
    "FORMAT_VERSION",
    "MANIFEST",
    "canonical",
    "contents",
    "digest_of",
    "intake",
    "make_bundle",
    "write_bundle",
]

FORMAT, FORMAT_VERSION = "dfexplain evidence bundle", 1
MANIFEST = "manifest.json"
ATTACHED = "attached/"

README = f"""\
Evidence bundle of dfexplain {__version__}, format {FORMAT_VERSION}

It holds the report of one video and what the report rests on: what was seen of the file, the
weights and their calibration by hash, the settings, the versions, every figure and every face crop.
The video itself is not in it.

report.html        the report to read
report.json        the same in numbers (docs/report_schema.md of dfexplain)
report.frames.csv  one row a face and frame
input.json         the file at intake and after the analysis, its container, the sampled times
provenance.json    what the file says of its own making (C2PA), if that was looked for
weights.json       the weights: name, revision, sha256 of each of their files, configuration
calibration.json   what their scores are worth (null: not calibrated)
settings.json      sampling and parameters
versions.json      program, packages and libraries
figures/, crops/   every figure, every face crop as the model saw it
attached/          notes of reviewers, if any were attached
manifest.json      size and sha256 of every other file

To check it:                   dfexplain verify BUNDLE.zip --digest HEX
To score the video once more:  dfexplain verify BUNDLE.zip VIDEO --digest HEX

HEX is the digest that was shown when the bundle was made: the sha256 of manifest.json. It cannot
stand in the bundle, whose files it binds. Note it where whoever holds the bundle cannot change it:
in a case file, a letter, a signed message.

The bundle shows tampering. It does not say who made it or when: anybody can make a bundle anew,
with a digest of its own. Without the noted digest, what `verify` shows is that the files fit each
other, and with the video, that these weights give this report.
"""


def canonical(value: object) -> bytes:
    """A value as the one JSON text that it has here: keys sorted, ASCII, indented by one space."""
    return (json.dumps(value, sort_keys=True, allow_nan=False, indent=1) + "\n").encode("ascii")


def intake(source: str | Path) -> dict[str, object]:
    """Size and sha256 of a file as it is now. Raises FileRefused where it cannot be read."""
    with admit(source).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return {"size_bytes": os.fstat(file.fileno()).st_size, "sha256": sha256}


def contents(
    report: VideoReport,
    source: str | Path,
    weights: Weights,
    attached: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """The files of the bundle, name to content, without the manifest.

    Raises InputChanged where `source` is not the file that was analysed (any more), WeightsRefused
    where a file of the weights has changed since it was loaded, SettingError where `weights` are
    not those of the report.
    """
    before = {"size_bytes": report.info.size_bytes, "sha256": report.info.sha256}
    after = intake(source)
    if after != before:
        raise InputChanged(
            f"{shown_name(os.fspath(source))} must stay as it was when it was analysed, but got "
            f"the sha256 {after['sha256']} after {before['sha256']}. Analyse it again."
        )
    named = _weights(report, weights)
    written = to_json(report)
    document = json.loads(written)
    calibration = report.calibration and calibrations.to_dict(report.calibration)
    return {
        "README.txt": README.encode("ascii"),
        "report.json": written.encode("utf-8"),
        "report.frames.csv": frames_csv(report).encode("utf-8"),
        "report.html": to_html(report).encode("utf-8"),
        "input.json": canonical(_input(report, document, before, after)),
        "provenance.json": canonical(dataclasses.asdict(provenance.read(source))),
        "weights.json": canonical(named),
        "calibration.json": canonical(calibration),
        "settings.json": canonical(_settings(report, document)),
        "versions.json": canonical(_versions()),
        **_figures(report),
        **{
            f"crops/{lane.track_id}-{row:05d}.jpg": crop
            for lane in report.lanes
            for row, crop in enumerate(lane.scores.crops_jpeg)
        },
        **{ATTACHED + name: content for name, content in (attached or {}).items()},
    }


def _input(
    report: VideoReport,
    document: dict[str, Any],
    before: dict[str, object],
    after: dict[str, object],
) -> dict[str, object]:
    return {
        "name": file_name(report),
        "intake": before,
        "after": after,
        "container": document["video"],
        "notes": document["notes"],
        "sampled": [
            {"frame_index": seen.frame_index, "time_s": round(seen.time_s, 6)}
            for seen in report.previews
        ],
    }


def _weights(report: VideoReport, weights: Weights) -> dict[str, object]:
    info = report.weights
    if weights.info.sha256 != info.sha256:
        raise SettingError(
            f"weights must be those of the report, {info.sha256[:12]}, but got {weights.label} "
            f"({weights.info.sha256[:12]}). Analyse the video again."
        )
    files = {}
    for name in weights_folder.FILES:
        path = weights.folder / name
        if path.exists():
            with path.open("rb") as file:
                files[name] = hashlib.file_digest(file, "sha256").hexdigest()
    if files.get(weights_folder.MODEL) != info.sha256:
        raise WeightsRefused(
            f"{weights_folder.MODEL} of {weights.label} must stay as it was when it was loaded, "
            "but it is not there or has changed. Load the weights and analyse the video again."
        )
    return {
        "name": info.name,
        "revision": info.revision,
        "sha256": info.sha256,
        "config": weights.config.to_dict(),
        "heat_scale": weights.heat_scale,
        "files": files,
    }


def _settings(report: VideoReport, document: dict[str, Any]) -> dict[str, object]:
    return {
        "sampling": document["sampling"],
        "parameters": {
            "min_frames": aggregate.MIN_FRAMES,
            "min_coverage": aggregate.MIN_COVERAGE,
            "min_span": aggregate.MIN_SPAN,
            "join_max_shift_faces": lanes.MAX_SHIFT_FACES,
            "join_max_size_ratio": lanes.MAX_SIZE_RATIO,
            "join_min_cosine": lanes.MIN_COSINE,
            "crop_px": report.weights.crop_px,
            "crop_margin": report.weights.crop_margin,
            "heat_method": report.heat_method,
            "heat_scale": report.heat_scale,
        },
    }


def _versions() -> dict[str, object]:
    here = machine()
    return {
        "versions": versions("matplotlib", "jinja2", "c2pa-python"),
        "libav": libraries(),
        "machine": {name: here[name] for name in ("system", "architecture")},
    }


def _figures(report: VideoReport) -> dict[str, bytes]:
    drawn = {"timeline": plots.timeline(report)}
    if report.calibration is not None:
        drawn["reliability"] = plots.reliability(report.calibration)
        drawn["score-histogram"] = plots.score_histogram(report.calibration)
    found = {f"figures/{name}.svg": plots.figure_svg(each).encode() for name, each in drawn.items()}
    for shown in shown_frames(report):
        frame = pictures.of_frame(report, shown.lane, shown.row)
        name = f"figures/{shown.lane.track_id}-{shown.row:05d}"
        found[f"{name}-overlay.jpg"] = frame.overlay
        if frame.whole is not None:
            found[f"{name}-frame.jpg"] = frame.whole
    return found


def _manifest(files: Mapping[str, bytes]) -> bytes:
    return canonical(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "dfexplain": __version__,
            "files": [
                {
                    "name": name,
                    "size_bytes": len(files[name]),
                    "sha256": hashlib.sha256(files[name]).hexdigest(),
                }
                for name in sorted(files)
            ],
        }
    )


def write_bundle(
    report: VideoReport,
    source: str | Path,
    weights: Weights,
    out: str | Path,
    attached: Mapping[str, bytes] | None = None,
) -> str:
    """Write the bundle of a report as the file `out` and return its digest, 64 hex digits.

    `source` is the file that was analysed; it is hashed once more and stays where it is. `attached`
    are further files (name to content), kept under `attached/`. The same arguments give the same
    bytes. Raises as `contents`, and SettingError where `out` cannot be written.
    """
    files = contents(report, source, weights, attached)
    manifest = _manifest(files)
    try:
        packed = archive.packed({**files, MANIFEST: manifest})
    except ValueError as error:
        raise SettingError(f"bundle: {error} Look at fewer frames.") from error
    try:
        write_whole(Path(out), packed)
    except OSError as error:
        raise not_writable(Path(out), error) from error
    return hashlib.sha256(manifest).hexdigest()


def make_bundle(
    report: VideoReport, source: str | Path, weights: Weights, folder: str | Path
) -> Path:
    """Write the bundle into a folder, under the name of the video; see `write_bundle` and
    `digest_of`."""
    make_folder(Path(folder))
    out = Path(folder) / f"{safe_stem(report.info.file)}.evidence.zip"
    write_bundle(report, source, weights, out)
    return out


def digest_of(path: str | Path) -> str:
    """The digest of a bundle that was just written, to show beside it. Raises ValueError for a
    file that is none."""
    for member in archive.read(path).members:
        if member.name == MANIFEST:
            return member.sha256
    raise ValueError(f"path must be an evidence bundle, but {path} holds no {MANIFEST}.")
