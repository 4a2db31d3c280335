"""A report as JSON: `docs/report_schema.md` in words, `docs/report.schema.json` for machines.

The same report gives the same bytes: keys in a fixed order, numbers rounded to the digits below,
nothing in it that differs between two runs. What does differ (run times, versions, the machine)
goes into a document of its own.
"""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from dfexplain import __version__, aggregate
from dfexplain.report import explained
from dfexplain.report.numbers import BOX_DIGITS, rounded
from dfexplain.structures import (
    Calibration,
    Lane,
    Number,
    Outcome,
    Outside,
    Sampling,
    Segment,
    VideoReport,
    WeightsInfo,
)

__all__ = [
    "SCHEMA_VERSION",
    "content",
    "file_name",
    "lane_score",
    "machine",
    "run_json",
    "shows_probability",
    "to_json",
    "versions",
]

SCHEMA_VERSION = 1
_PACKAGES = ("torch", "torchvision", "timm", "numpy", "av", "opencv-python-headless",
             "facenet-pytorch", "safetensors", "huggingface-hub")  # fmt: skip


def file_name(report: VideoReport) -> str:
    """The base name of the video. Bytes that are no text (lone surrogates) become "?"."""
    name = os.path.basename(report.info.file)
    return name.encode("utf-8", "replace").decode("utf-8")


def shows_probability(report: VideoReport) -> bool:
    """Whether probabilities may be shown: where the video has none, its frames have none."""
    return report.verdict.p_fake is not None


def lane_score(report: VideoReport, lane: Lane) -> float | None:
    """The lane's logit, or None where it has too few frames or the video is not analysable."""
    judged = aggregate.judged([lane], report.info.kind)
    return lane.score if judged and report.verdict.outcome is not Outcome.NOT_ANALYSABLE else None


def _segment(segment: Segment, with_p: bool) -> dict[str, Any]:
    return {
        "track_id": segment.track_id,
        "start_s": rounded(segment.start_s),
        "end_s": rounded(segment.end_s),
        "peak_p_fake": rounded(segment.peak_p_fake) if with_p else None,
        "peak_logit": rounded(segment.peak_logit),
    }


def _track(report: VideoReport, lane: Lane) -> dict[str, Any]:
    track, p_fake = lane.track, lane.p_fake if shows_probability(report) else None
    return {
        "track_id": lane.track_id,
        "score": rounded(lane_score(report, lane)),
        "frames": [
            {
                "frame_index": int(index) if (index := track.frame_index[row]) >= 0 else None,
                "time_s": rounded(track.time_s[row]),
                "box_xyxy": [rounded(edge, BOX_DIGITS) for edge in track.box_xyxy[row]],
                "logit": rounded(lane.scores.logit[row]),
                "p_fake": None if p_fake is None else rounded(p_fake[row]),
                "shot": int(track.shot[row]),
                "detected": bool(track.detected[row]),
            }
            for row in range(len(lane))
        ],
    }


def _pair(interval: tuple[float, float] | None) -> list[float | None] | None:
    return None if interval is None else [rounded(bound) for bound in interval]


def _deciding(report: VideoReport) -> dict[str, Any] | None:
    found = aggregate.deciding(report.lanes, report.info.kind)
    if found is None:
        return None
    return {
        "track_id": found.track_id,
        "frames": [found.first, found.last],
        "start_s": rounded(found.start_s),
        "end_s": rounded(found.end_s),
        "score_without": rounded(found.without),
    }


def _outside(reason: Outside) -> dict[str, Any]:
    return vars(reason) | {"value": rounded(reason.value), "limit": rounded(reason.limit)}


def _sampling(sampling: Sampling) -> dict[str, Any]:
    return {
        "frames": sampling.frames,
        "fps": rounded(sampling.fps),
        "every": sampling.every,
        "max_frames": sampling.max_frames,
    }


def _flagged(found: Number | None, of: str) -> dict[str, Any] | None:
    """The share of recordings or videos (`of`) that are flagged, None where it was not measured."""
    if found is None:
        return None
    interval = None if found.low is None else [rounded(found.low), rounded(found.high)]
    return {"rate": rounded(found.value), "interval": interval, of: found.n}


def _operating_point(calibration: Calibration | None, info: WeightsInfo) -> dict[str, Any] | None:
    if calibration is None:
        return None
    return {
        "threshold": rounded(calibration.threshold),
        "band_low": rounded(calibration.band_low),
        "false_positive_rate": rounded(calibration.false_positive_rate),
        "false_positive_interval": [rounded(v) for v in calibration.false_positive_interval],
        "miss_rate": rounded(calibration.miss_rate),
        "miss_interval": [rounded(v) for v in calibration.miss_interval],
        "ece": rounded(calibration.ece),
        "ece_interval": [rounded(v) for v in calibration.ece_interval],
        "real_videos": int((calibration.labels == 0).sum()),
        "fake_videos": int((calibration.labels == 1).sum()),
        "people": calibration.people,
        "measured_on": calibration.measured_on,
        "genuine": _flagged(info.alarms, "recordings"),
        "deepfakes": _flagged(info.found, "videos"),
    }


def content(report: VideoReport) -> dict[str, Any]:
    """What the JSON of the report holds."""
    info, verdict, weights = report.info, report.verdict, report.weights
    with_p = shows_probability(report)
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": info.kind,
        "file": file_name(report),
        "sha256": info.sha256,
        "verdict": str(verdict.outcome),
        "reason": None if verdict.reason is None else str(verdict.reason),
        "p_fake": rounded(verdict.p_fake),
        "p_fake_interval": _pair(verdict.p_interval),
        "score": rounded(verdict.score),
        "score_interval": _pair(verdict.score_interval),
        "decided_by": _deciding(report),
        "coverage": {
            "wanted": report.coverage.wanted,
            "decoded": report.coverage.decoded,
            "with_face": report.coverage.with_face,
        },
        "outside": [_outside(reason) for reason in report.outside],
        "segments": [_segment(segment, with_p) for segment in report.segments],
        "tracks": [_track(report, lane) for lane in report.lanes],
        "weights": {
            "name": weights.name,
            "revision": weights.revision,
            "sha256": weights.sha256,
            "calibrated": weights.calibrated,
            "architecture": weights.architecture,
            "crop_px": weights.crop_px,
            "crop_margin": rounded(weights.crop_margin),
        },
        "operating_point": _operating_point(report.calibration, report.weights),
        "sampling": _sampling(report.sampling),
        "video": {
            "size_bytes": info.size_bytes,
            "container": info.container,
            "codec": info.codec,
            "pixel_format": info.pixel_format,
            "width_px": info.width_px,
            "height_px": info.height_px,
            "rotation_deg": info.rotation_deg,
            "fps": rounded(info.fps),
            "duration_s": rounded(info.duration_s),
            "frame_count": info.frame_count,
        },
        "cuts_s": [rounded(cut) for cut in report.cuts_s],
        "heatmaps": {"method": report.heat_method, "scale": rounded(report.heat_scale)},
        **explained.to_dicts(report),
        "notes": list(report.notes),
        "not_checked": list(report.not_checked),
    }


def to_json(report: VideoReport) -> str:
    """The report as JSON, one trailing newline, non-ASCII letters as they are.

    Raises ValueError if a number of the report is not finite.
    """
    return json.dumps(content(report), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions(*further: str) -> dict[str, str | None]:
    """The versions of the program, of Python, and of the packages that decide a score."""
    return {
        "dfexplain": __version__,
        "python": platform.python_version(),
        **{package: _version(package) for package in (*_PACKAGES, *further)},
    }


def machine() -> dict[str, str | int | None]:
    """What kind of machine this is; nothing that tells it from another of its kind."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "cpu_cores": os.cpu_count(),
    }


def run_json(report: VideoReport) -> str:
    """What differs between two runs: the time of day, run times, versions and the machine."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "file": file_name(report),
        "sha256": report.info.sha256,
        "weights_sha256": report.weights.sha256,
        "written_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_times_s": {name: rounded(s) for name, s in sorted(report.run_times_s.items())},
        "versions": versions(),
        "machine": machine(),
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
