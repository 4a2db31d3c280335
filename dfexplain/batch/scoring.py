"""What a worker does with a job: the detector, the report, and its files if they are wanted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import cast

from dfexplain import hub, report
from dfexplain.batch.jobs import Job, Result
from dfexplain.batch.naming import parameters_of, sampling_of, stem_of
from dfexplain.detector import Detector
from dfexplain.errors import InputChanged
from dfexplain.report.files import not_writable, write_whole
from dfexplain.structures import Progress, VideoReport

__all__ = ["VideoScorer", "parameters_of", "sampling_of", "stem_of"]

log = logging.getLogger("dfexplain.worker")


class VideoScorer:
    """The weights `spec` (see `hub.load`), loaded once, and what they say of a job's file.

    The same job gives the same report and the same files, so doing it twice changes nothing.
    """

    def __init__(self, spec: str | None = None) -> None:
        weights = hub.load(spec)
        self.weights_sha256: str | None = weights.info.sha256
        self._detector = Detector(weights)
        log.info("weights %s, sha256 %s", weights.info.name, weights.info.sha256)

    def __call__(self, job: Job, stopped: Callable[[], bool]) -> Result | None:
        """The report of the job's file; None once `stopped`. Written into the job's folder are its
        JSON and page. InputError for a bad file and for one that is not the one submitted."""
        # Closing the generator ends the decoding child.
        steps = cast(
            "Generator[Progress | VideoReport]",
            self._detector.analyze(job.path, sampling_of(job.parameters)),
        )
        with closing(steps):
            for step in steps:
                if isinstance(step, VideoReport):
                    return _kept(step, job)
                if stopped():
                    break
        return None


def _kept(found: VideoReport, job: Job) -> Result:
    if found.info.sha256 != job.input_sha256:
        raise InputChanged(
            f"the file must be the one that was submitted, with sha256 {job.input_sha256[:12]}..., "
            f"but has {found.info.sha256[:12]}.... Submit it again."
        )
    if job.out is not None:
        _write(found, Path(job.out), stem_of(job.path, job.input_sha256))
    return Result.of(report.to_json(found))


def _write(found: VideoReport, folder: Path, stem: str) -> None:
    report.make_folder(folder)
    try:
        write_whole(folder / f"{stem}.json", report.to_json(found))
        write_whole(folder / f"{stem}.html", report.to_html(found))
    except OSError as error:
        raise not_writable(folder, error) from error
