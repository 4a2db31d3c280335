"""Weights by name: a folder, one of those that ship, or a repository of the Hugging Face Hub.

A Hub repository is first resolved to a commit sha, so that what was loaded can be named for good.
Its known files are then fetched at that commit into the Hub client's own cache, where they serve
offline; a pinned sha that is cached makes no request. What comes out of the cache passes the same
checks as a local folder (`weights_folder.read`).
"""

from __future__ import annotations

import os
import re
import sysconfig
import time
from collections.abc import Callable
from multiprocessing import TimeoutError as PatienceEnded
from multiprocessing.pool import AsyncResult, ThreadPool
from pathlib import Path
from typing import TypeVar

import httpx2
import huggingface_hub as hf
from huggingface_hub import errors as hub

from dfexplain import weights_folder as layout
from dfexplain.errors import HubUnavailable, WeightsNotFound, WeightsRefused
from dfexplain.golden import make_golden, verify
from dfexplain.weights_folder import OutOfDistribution, Weights
from dfexplain.weights_writing import save, sha256_of

__all__ = [
    "DEFAULT",
    "OutOfDistribution",
    "Weights",
    "load",
    "make_golden",
    "save",
    "sha256_of",
    "shipped",
    "verify",
]

T = TypeVar("T")

DEFAULT = "default"
# Two questions are asked of the Hub (which commit, which files), so it has 30 s in all to answer.
ANSWER_S = 15.0
# A download may take longer than an answer while bytes arrive, but not for ever: this is a slow
# mobile connection.
SLOWEST_BYTES_PER_S = 50_000

_HUB_NAME = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95})(@(?P<revision>[\w][\w./-]{0,127}))?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


def load(
    spec: str | Path | None = None,
    *,
    cache_dir: str | Path | None = None,
    offline: bool | None = None,
    folders: bool = True,
) -> Weights:
    """Load and check weights.

    `spec` is a folder, a name under `weights/`, or `org/name[@revision]` on the Hub; without it the
    environment variable DFEXPLAIN_WEIGHTS counts, then the shipped `default`. A bare name means the
    shipped weights first; write `./name` for a folder here. `offline` forbids requests (None: what
    HF_HUB_OFFLINE says), `cache_dir` replaces the Hub client's cache folder. Without `folders` no
    path of this machine is looked at: for strangers who may name weights.

    Raises WeightsNotFound, WeightsRefused or HubUnavailable, each one line that says what to do.
    """
    text = str(spec or os.environ.get("DFEXPLAIN_WEIGHTS") or DEFAULT)
    is_path = isinstance(spec, Path)
    if text in shipped() and not is_path:
        return layout.read(_shelf() / text)
    path = os.path.expanduser(text)
    if folders and os.path.isdir(path):
        return layout.read(Path(path))
    if folders and os.path.isfile(path):
        raise WeightsRefused(
            f"weights must be a folder, but got the file {os.path.basename(path)!r:.80}. "
            + layout.pickle_hint([path])
        )
    named = _HUB_NAME.fullmatch(text)
    if named is None or ".." in text or is_path:
        raise WeightsNotFound(
            f"weights must be {'a folder, ' * folders}a shipped name or org/name[@revision] on the "
            f"Hub, but got {text!r:.120}. Shipped here: {', '.join(shipped()) or 'none'}."
        )
    repo, revision = named["repo"], named["revision"] or "main"
    folder, commit = _snapshot(repo, revision, cache_dir, offline)
    return layout.read(
        folder,
        name=repo,
        revision=commit,
        # The cache keeps a snapshot as links into blobs beside it.
        inside=folder.resolve().parents[2],
        remedy=f"Clear it with `hf cache rm model/{repo}` and load again, or tell its authors.",
    )


def shipped() -> list[str]:
    """The names under `weights/` that `load` knows."""
    return sorted(path.parent.name for path in _shelf().glob(f"*/{layout.CONFIG}"))


def _shelf() -> Path:
    """The `weights/` folder: beside the package (clone, editable install, Space), or, in a regular
    install, where the wheel puts data files."""
    beside = Path(__file__).resolve().parent.parent / "weights"
    installed = Path(sysconfig.get_path("data")) / "share" / "dfexplain" / "weights"
    return beside if beside.is_dir() else installed


def _snapshot(
    repo: str, revision: str, cache_dir: str | Path | None, offline: bool | None
) -> tuple[Path, str]:
    """The folder of `repo` at `revision` in the Hub client's cache, filled if need be; the sha."""
    offline = hf.is_offline_mode() if offline is None else offline
    api = hf.HfApi(library_name="dfexplain")

    def resolve(from_cache: bool) -> str:
        found = api.resolve_revision(
            repo, revision=revision, cache_dir=cache_dir, local_files_only=from_cache
        )
        return found.resolved

    if offline:
        commit = _ask(repo, revision, lambda: resolve(True))
    else:
        try:
            commit = _ask(repo, revision, lambda: resolve(False))
        except HubUnavailable as error:
            # The client itself falls back to the cache where the Hub is down, but not where it is
            # mute; where it said no, no it is.
            if not isinstance(error.__cause__, PatienceEnded):
                raise
            commit = _ask(repo, revision, lambda: resolve(True))
    if not _COMMIT.fullmatch(commit):
        raise HubUnavailable(
            f"the Hub must answer with a commit sha of {repo}, but got {commit!r:.60}. "
            "Check HF_ENDPOINT."
        )

    def cached(name: str) -> str | None:
        found = hf.try_to_load_from_cache(repo, name, cache_dir=cache_dir, revision=commit)
        return found if isinstance(found, str) else None

    config = cached(layout.CONFIG)
    # config.json is fetched last: where it is, the others are.
    if config is not None and cached(layout.MODEL) is not None:
        return Path(config).parent, commit
    if offline:
        raise HubUnavailable(
            f"{repo}@{revision} must be in the cache to be used offline, but it is not. "
            "Load it once with a network."
        )
    about = _ask(
        repo,
        revision,
        lambda: api.model_info(repo, revision=commit, files_metadata=True, timeout=ANSWER_S),
    )
    sizes = {file.rfilename: file.size or 0 for file in about.siblings or []}
    wanted = [name for name in layout.FILES if name in sizes]
    _check_listing(f"{repo}@{commit}", sizes)

    def fetch() -> str:
        for name in wanted:
            config = hf.hf_hub_download(
                repo, name, revision=commit, cache_dir=cache_dir, library_name="dfexplain"
            )
        return config

    cache = Path(cache_dir or hf.constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"
    patience = ANSWER_S + sum(sizes[name] for name in wanted) / SLOWEST_BYTES_PER_S
    return Path(_ask(repo, revision, fetch, patience, cache / "blobs")).parent, commit


def _bytes_in(folder: Path) -> int:
    """The bytes of the files in a folder, as far as they are there."""
    total = 0
    for path in folder.glob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue  # renamed just now
    return total


def _wait(result: AsyncResult[T], seconds: float, growing: Path | None) -> T:
    """The result of a call; PatienceEnded after `seconds`, or once the folder `growing` has not
    grown for as long as an answer may take."""
    if growing is None:
        return result.get(seconds)
    end, here, last = time.monotonic() + seconds, _bytes_in(growing), time.monotonic()
    while True:
        try:
            return result.get(min(0.2, ANSWER_S))
        except PatienceEnded:
            now, there = time.monotonic(), _bytes_in(growing)
            if there != here:
                here, last = there, now
            elif now - last > ANSWER_S:
                raise
            if now > end:
                raise


def _check_listing(label: str, sizes: dict[str, int]) -> None:
    """Refuse what cannot be a weights folder before a byte of it is fetched."""
    for name in (layout.MODEL, layout.CONFIG):
        if name not in sizes:
            raise WeightsRefused(
                f"{name} of {label} must be there, but got no such file. "
                + layout.pickle_hint(list(sizes))
            )
    for name, limit in layout.FILES.items():
        if sizes.get(name, 0) > limit:
            raise WeightsRefused(
                f"{name} of {label} must have at most {limit} bytes, but got {sizes[name]}. "
                "Nothing was fetched."
            )


def _ask(
    repo: str,
    revision: str,
    call: Callable[[], T],
    seconds: float | None = None,
    growing: Path | None = None,
) -> T:
    """Call the Hub client with a time limit, its errors translated. A call that fetches names the
    folder that is to be `growing` meanwhile.

    The client's own timeouts are per read, and some of its calls have none. The thread of a call
    that was given up is a daemon: it cannot hold the process back.
    """
    what = f"{repo}@{revision}"
    seconds = ANSWER_S if seconds is None else seconds
    try:
        with ThreadPool(1) as pool:
            return _wait(pool.apply_async(call), seconds, growing)
    except PatienceEnded as error:
        raise HubUnavailable(
            f"the Hub must answer within {ANSWER_S:g} s, but {what} did not come. "
            "Check the network, or use weights from a folder."
        ) from error
    except hub.RevisionNotFoundError as error:
        raise WeightsNotFound(
            f"revision must be a branch, tag or commit of {repo}, but got {revision!r}. "
            "Look at the repository's history."
        ) from error
    except hub.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise HubUnavailable(
                f"{what} must be open to you, but the Hub answered {status}: it does not exist, or "
                "it is private or gated. Check the name, or log in with `hf auth login` or a token "
                "in HF_TOKEN."
            ) from error
        if isinstance(error, hub.RepositoryNotFoundError | hub.EntryNotFoundError):
            raise WeightsNotFound(
                f"weights must be a model repository on the Hub, but got {what}, which the Hub "
                "does not have. Check the name."
            ) from error
        raise HubUnavailable(
            f"the Hub must give {what}, but it answered {status}. Try again later."
        ) from error
    except hub.HFValidationError as error:
        raise WeightsNotFound(
            f"weights must be org/name[@revision] on the Hub, but got {what}. Check the name."
        ) from error
    except (
        hub.RevisionResolutionError,
        hub.LocalEntryNotFoundError,
        hub.OfflineModeIsEnabled,
        httpx2.HTTPError,
    ) as error:
        raise HubUnavailable(
            f"the Hub must be within reach or {what} in the cache, but neither is so. "
            "Check the network, or use weights from a folder."
        ) from error
    except (OSError, ValueError, httpx2.InvalidURL) as error:
        # A file shorter than announced, a full disk, an answer that is not the Hub's.
        raise HubUnavailable(
            f"{what} must arrive whole, but got {str(error)!r:.200}. Try again."
        ) from error
