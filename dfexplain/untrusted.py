"""Reads files that nobody vouches for: bounded, plain, inside their folder, strictly parsed.

Each file is read once, up to its limit, and the bytes that were checked are those that are used.
Nothing is executed and no format that can execute code is opened.
"""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from dfexplain.errors import WeightsRefused

__all__ = ["FolderReader"]

_HEADER_LIMIT = 2**22


class FolderReader:
    """Reads the known files of one folder; every refusal names the file, the rule and the way out.

    `files` maps each name that may be opened to the most bytes it may have, `label` names the
    folder in messages, links may not leave the folder `inside`, `remedy` ends the messages.
    """

    def __init__(
        self, folder: Path, files: dict[str, int], *, label: str, inside: Path, remedy: str
    ) -> None:
        self.folder, self.files, self.inside = folder, files, inside
        self.label, self.remedy = label, remedy

    def refusal(
        self, name: str, rule: str, got: object, remedy: str | None = None
    ) -> WeightsRefused:
        """The error to raise: `name` must `rule`, but got `got`, and what to do."""
        return WeightsRefused(
            f"{name} of {self.label} must {rule}, but got {got}. {remedy or self.remedy}"
        )

    def bytes_of(self, name: str) -> bytes | None:
        """The whole file, or None where the folder has none of that name."""
        path = self.folder / name
        if not path.is_symlink() and not path.exists():
            return None
        try:
            real = Path(os.path.realpath(path, strict=True))
            if not real.is_relative_to(self.inside):
                raise self.refusal(
                    name,
                    "lie inside its folder",
                    "a link that leaves it",
                    "Copy the file itself into the folder.",
                )
            about = real.stat()
            if not stat.S_ISREG(about.st_mode):
                raise self.refusal(name, "be a plain file", "something else")
            limit = self.files[name]
            if about.st_size > limit:
                raise self.refusal(name, f"have at most {limit} bytes", about.st_size)
            with real.open("rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise self.refusal(name, "be readable", error.strerror or "an error") from error
        if len(data) > limit:
            raise self.refusal(name, f"have at most {limit} bytes", "more")
        return data

    def text(self, name: str, data: bytes) -> str:
        """Decode a file's bytes. Raises WeightsRefused unless they are UTF-8."""
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.refusal(name, "be UTF-8 text", f"{error.reason} at {error.start}") from error

    def json(self, name: str, data: bytes) -> Any:
        """Parse JSON more strictly than `json`: no key twice, no NaN, short integers."""
        try:
            return json.loads(
                data.decode("utf-8"),
                object_pairs_hook=_unique,
                parse_int=_bounded_int,
                parse_float=_finite_float,
                parse_constant=_finite_float,
            )
        except (ValueError, RecursionError) as error:
            raise self.refusal(name, "be valid JSON", f"{str(error)!r:.120}") from error

    def json_object(self, name: str, data: bytes) -> dict[str, Any]:
        """Parse JSON that must be an object, as strictly."""
        value = self.json(name, data)
        if not isinstance(value, dict):
            raise self.refusal(name, "be a JSON object", type(value).__name__)
        return value

    def tensors(
        self,
        name: str,
        data: bytes,
        expected: dict[str, tuple[tuple[int | None, ...], frozenset[str]]],
        metadata: tuple[dict[str, str], ...],
    ) -> dict[str, torch.Tensor]:
        """Read a safetensors file that holds exactly `expected`: name -> (shape, dtype codes).

        None in a shape stands for any length from 1; `metadata` lists what the header may carry.
        safetensors itself checks that the offsets cover the file without gap or overlap; it lets a
        repeated key, any metadata and non-finite values pass.
        """
        length = int.from_bytes(data[:8], "little")
        if len(data) < 8 or not 2 <= length <= min(_HEADER_LIMIT, len(data) - 8):
            raise self.refusal(name, "be a safetensors file", "no valid header length")
        header = self.json_object(name, data[8 : 8 + length])
        found = header.pop("__metadata__", {})
        if found not in metadata:
            allowed = " or ".join(str(known) for known in metadata)
            raise self.refusal(name, f"carry the metadata {allowed}", f"{found!r:.120}")
        self._same_keys(name, set(header), set(expected))
        for key, (shape, dtypes) in expected.items():
            entry = header[key] if isinstance(header[key], dict) else {}
            dtype, sides = entry.get("dtype"), entry.get("shape")
            if not isinstance(dtype, str) or dtype not in dtypes:
                raise self.refusal(
                    name, f"hold {key} as {' or '.join(sorted(dtypes))}", f"{dtype!r:.60}"
                )
            if (
                not isinstance(sides, list)
                or len(sides) != len(shape)
                or not all(
                    isinstance(side, int) and (side == want or (want is None and side > 0))
                    for side, want in zip(sides, shape, strict=True)
                )
            ):
                wanted = ["any" if want is None else want for want in shape]
                raise self.refusal(name, f"hold {key} of shape {wanted}", f"{sides!r:.60}")
        try:
            tensors = safetensors.torch.load(data)
        except SafetensorError as error:
            raise self.refusal(name, "be a safetensors file", f"{str(error)!r:.120}") from error
        for key, tensor in tensors.items():
            if not bool(torch.isfinite(tensor).all()):
                raise self.refusal(name, f"hold finite values in {key}", "NaN or infinity")
        return tensors

    def _same_keys(self, name: str, found: set[str], expected: set[str]) -> None:
        missing, further = sorted(expected - found), sorted(found - expected)
        if missing or further:
            raise self.refusal(
                name,
                "hold exactly the tensors of the model that config.json names",
                f"{len(missing)} missing {missing[:3]!r:.120}, {len(further)} further "
                f"{further[:3]!r:.120}",
            )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"key twice: {next(k for k in names if names.count(k) > 1)}")
    return keys


def _bounded_int(digits: str) -> int:
    if len(digits) > 18:
        raise ValueError("integer of more than 18 digits")
    return int(digits)


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"number that is not finite: {text}")
    return value
