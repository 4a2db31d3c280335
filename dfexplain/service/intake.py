"""Files that come in: uploads, kept under the hash of their bytes, and paths under a root.

Nothing here looks into a file. It is decoded in the cage, by the worker that takes the job.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from dfexplain.batch.walk import digest
from dfexplain.errors import FileRefused, SettingError
from dfexplain.report import safe_stem
from dfexplain.structures.video import SUFFIXES

__all__ = ["Files"]

_CHUNK_BYTES = 1 << 20


class Files:
    """The folder of a service: `uploads` that wait for their job, `reports` of those that ended."""

    def __init__(self, folder: Path, roots: Sequence[Path]) -> None:
        self._roots = tuple(roots)
        self.uploads, self.reports = folder / "uploads", folder / "reports"
        try:
            for path in (self.uploads, self.reports):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingError(
                f"DFEXPLAIN_FILES must be a folder that can be written, but {folder} says: "
                f"{error.strerror}. Choose another."
            ) from error

    def keep(self, source: BinaryIO, name: str, parameters: str) -> tuple[Path, str]:
        """Write an upload; where it lies, and its sha256. FileRefused for an empty one.

        It keeps a safe form of its name, which the report shows, in a folder of its job, which the
        bytes and the parameters name.
        """
        sha256, partial = hashlib.sha256(), self.uploads / f".{uuid.uuid4().hex}.part"
        try:
            with partial.open("xb") as file:
                while chunk := source.read(_CHUNK_BYTES):
                    sha256.update(chunk)
                    file.write(chunk)
                size = file.tell()
            if not size:
                raise FileRefused("file must hold a video, but it is empty. Send it again.")
            suffix = os.path.splitext(name)[1].lower()
            own = safe_stem(name) + (suffix if suffix in SUFFIXES else "")
            job = sha256.hexdigest() + hashlib.sha256(parameters.encode()).hexdigest()[:12]
            folder = self.uploads / job
            folder.mkdir(mode=0o700, exist_ok=True)
            os.replace(partial, folder / own)
        except OSError as error:
            raise SettingError(
                f"the service must have room for the file, but says: {error.strerror}. Try later."
            ) from error
        finally:
            partial.unlink(missing_ok=True)
        return folder / own, sha256.hexdigest()

    def named(self, path: str) -> tuple[Path, str]:
        """The file that a request names, as it really lies, and its sha256.

        A relative path is looked for under each root. FileRefused for what is not there, is no
        regular file or lies elsewhere, also by a link on the way; which of these is not told.
        """
        for root in self._roots:
            try:
                # realpath follows every link, so a link that leads out lies outside.
                real = Path(os.path.realpath(root / path, strict=True))
            except (OSError, ValueError):
                continue
            if real.is_relative_to(root) and real.is_file():
                return real, digest(str(real))
        raise FileRefused(
            f"path must be a file under an allowed folder of the service, but got {path!r:.120}. "
            "Upload the file, or ask who runs the service."
        )

    def drop(self, path: str) -> None:
        """Delete the folder of an upload. A file that was named by its path stays."""
        folder = Path(path).parent
        if folder.parent == self.uploads:
            shutil.rmtree(folder, ignore_errors=True)

    def tidy(self, used: Iterable[str]) -> None:
        """Delete all uploads but these, as at the start of a service that was killed."""
        kept = {Path(path).parent for path in used}
        for path in self.uploads.iterdir():
            if path.is_dir() and path not in kept:
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix == ".part":
                path.unlink(missing_ok=True)
