"""Puts a weights folder on the Hugging Face Hub: checked first, in one commit, then the tag.

Nothing is sent before `release_checks.check` passed, and no weights before the Hub's own state is
known: whether the repository exists and is as private as asked, whether the tag is free, and
whether the golden crops are answered as the weights there answer them. The commit names the parent
that was looked at, so that a push that came in between is not overwritten unseen.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import TimeoutError as PatienceEnded
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar

import httpx2
import huggingface_hub as hf
from huggingface_hub import errors as hub

from dfexplain import golden, release_checks
from dfexplain import weights_folder as layout
from dfexplain.errors import (
    DfExplainError,
    HubUnavailable,
    PushRefused,
    SettingError,
    WeightsRefused,
)
from dfexplain.hub import ANSWER_S, SLOWEST_BYTES_PER_S
from dfexplain.untrusted import FolderReader
from dfexplain.weights_folder import Weights

__all__ = ["Published", "push"]

T = TypeVar("T")

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}")
_TAG = re.compile(r"[A-Za-z0-9][\w.-]{0,127}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
# A header can carry these characters and no others.
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Published:
    """What a push made: `load(published.spec)` gives these weights and no others, for good."""

    repo: str
    commit: str
    tag: str | None
    url: str
    notes: tuple[str, ...]

    @property
    def spec(self) -> str:
        """The name to load: `org/name@tag`, or `org/name@<commit sha>` without a tag."""
        return f"{self.repo}@{self.tag or self.commit}"


@dataclass(frozen=True)
class _Remote:
    """The repository as it was looked at: the head of main and the names of its files."""

    commit: str
    files: frozenset[str]


def push(
    folder: str | Path,
    repo: str,
    *,
    private: bool = False,
    tag: str | None = None,
    message: str | None = None,
    changed: str | None = None,
    token: str | None = None,
) -> Published:
    """Publish a weights folder as the model repository `repo`, `org/name`, made if it is missing.

    `changed` says why the weights answer the golden crops otherwise than those they replace; it
    goes into the commit. `token` replaces the one of `hf auth login` or HF_TOKEN. `notes` of the
    result tells what could not be tested.

    Raises SettingError for a name that is none, the errors of `release_checks.check`, PushRefused
    for a tag that exists, a repository that is less private than asked, answers that change
    unexplained or a push that came in between, and HubUnavailable where the Hub or the network says
    no. None of them holds the token.
    """
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise SettingError(f"--repo must be org/name, but got {repo!r:.120}. Correct the name.")
    if tag is not None and (not _TAG.fullmatch(tag) or ".." in tag or _COMMIT.fullmatch(tag)):
        raise SettingError(
            f"--tag must be letters, digits, dots and dashes, but got {tag!r:.120}. Take v1."
        )
    weights, notes = release_checks.check(Path(folder).expanduser())
    token = token or hf.get_token()
    if token is None or not _TOKEN.fullmatch(token):
        got = "none was found" if token is None else "the one found holds other characters"
        raise HubUnavailable(
            f"a token with the right to write must be there to push, but {got}. Log in with "
            "`hf auth login`, or set HF_TOKEN."
        )
    hub_api = _Hub(repo, hf.HfApi(token=token, library_name="dfexplain"))
    there = hub_api.look(private, tag)
    lines: list[str] = []
    if there is None:
        there = hub_api.create(private)
    else:
        lines = hub_api.changes(there, weights)
        if lines and not changed:
            raise PushRefused(
                f"weights must answer as those of {repo}@{there.commit[:12]} do, but differ in "
                f"{len(lines)} answers ({lines[0]}). Say why with --changed, or push to another "
                "repository."
            )
    commit, url = hub_api.commit(
        weights,
        there,
        message or f"dfexplain weights {weights.info.sha256[:12]}",
        _description(weights, lines, changed),
    )
    if tag is not None:
        hub_api.tag(tag, commit)
    return Published(repo, commit, tag, url, tuple(notes))


def _description(weights: Weights, lines: list[str], changed: str | None) -> str:
    about = [f"sha256 of {layout.MODEL}: {weights.info.sha256}"]
    if lines:
        about += [f"Changed: {changed}", *lines]
    return "\n".join(about)


class _Hub:
    """The questions and orders of one push, each with a time limit and its errors translated."""

    def __init__(self, repo: str, api: hf.HfApi) -> None:
        self.repo, self.api = repo, api

    def look(self, private: bool, tag: str | None) -> _Remote | None:
        """The repository as it stands, None where there is none."""
        try:
            about = self._ask(lambda: self.api.model_info(self.repo, timeout=ANSWER_S))
        except HubUnavailable as error:
            if isinstance(error.__cause__, hub.RepositoryNotFoundError):
                return None
            raise
        if private and not about.private:
            raise PushRefused(
                f"{self.repo} must be private as asked, but is public. Make it private on the Hub, "
                "or push to another repository."
            )
        if tag is not None:
            refs = self._ask(lambda: self.api.list_repo_refs(self.repo))
            if tag in {ref.name for ref in [*refs.tags, *refs.branches]}:
                raise PushRefused(
                    f"--tag must be new, but {self.repo} has {tag!r} already. Nothing was sent: "
                    "take the next one."
                )
        return _remote(self.repo, about)

    def create(self, private: bool) -> _Remote:
        """Make the repository."""
        self._ask(lambda: self.api.create_repo(self.repo, private=private))
        return _remote(self.repo, self._ask(lambda: self.api.model_info(self.repo)))

    def changes(self, there: _Remote, weights: Weights) -> list[str]:
        """What the weights on the Hub answer otherwise; empty where there are none yet."""
        assert weights.golden is not None, "checked by golden.verify"
        if layout.GOLDEN not in there.files:
            return []
        label = f"{self.repo}@{there.commit}"
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch).resolve()
            self._ask(
                lambda: self.api.hf_hub_download(
                    self.repo, layout.GOLDEN, revision=there.commit, local_dir=folder
                )
            )
            reader = FolderReader(
                folder, layout.FILES, label=label, inside=folder, remedy="Push it anew."
            )
            data = reader.bytes_of(layout.GOLDEN)
            assert data is not None
            try:
                return golden.changes(layout.read_golden(reader, data), weights.golden)
            except WeightsRefused as error:
                # The answers of broken weights cannot be compared: that is a change, too.
                return [str(error)]

    def commit(
        self, weights: Weights, there: _Remote, title: str, description: str
    ) -> tuple[str, str]:
        """Send the files in one commit on main; its sha and its address."""
        local = [name for name in layout.FILES if (weights.folder / name).is_file()]
        gone = [name for name in layout.FILES if name in there.files and name not in local]
        operations: list[hf.CommitOperationAdd | hf.CommitOperationDelete] = [
            hf.CommitOperationAdd(name, weights.folder / name) for name in local
        ]
        operations += [hf.CommitOperationDelete(name) for name in gone]
        size = sum((weights.folder / name).stat().st_size for name in local)
        made = self._ask(
            lambda: self.api.create_commit(
                self.repo,
                operations,
                commit_message=title,
                commit_description=description,
                parent_commit=there.commit,
            ),
            4 * ANSWER_S + size / SLOWEST_BYTES_PER_S,
        )
        return made.oid, made.commit_url

    def tag(self, tag: str, commit: str) -> None:
        """Name the commit. The weights are on the Hub by now, so a failure says how to go on."""
        try:
            self._ask(lambda: self.api.create_tag(self.repo, tag=tag, revision=commit))
        except (HubUnavailable, PushRefused) as error:
            raise HubUnavailable(
                f"the weights are on the Hub as {self.repo}@{commit}, but the tag {tag!r} is not: "
                f"{error} Set it with `hf repos tag create {self.repo} {tag} --revision {commit}`."
            ) from error

    def _ask(self, call: Callable[[], T], seconds: float = 2 * ANSWER_S) -> T:
        """Call the client, which has no time limit of its own."""
        try:
            with ThreadPool(1) as pool:
                return pool.apply_async(call).get(seconds)
        except PatienceEnded as error:
            raise HubUnavailable(
                f"the Hub must answer within {seconds:.0f} s, but {self.repo} did not come. Look "
                "there what arrived, and try again."
            ) from error
        except hub.HfHubHTTPError as error:
            raise self._refused(error) from error
        except hub.OfflineModeIsEnabled as error:
            raise HubUnavailable(
                "the Hub must be within reach to push, but HF_HUB_OFFLINE is set. Unset it."
            ) from error
        except hub.HFValidationError as error:
            raise SettingError(
                f"--repo must be org/name, but got {self.repo!r}. Correct the name."
            ) from error
        except (httpx2.HTTPError, OSError) as error:
            raise HubUnavailable(
                f"the Hub must be within reach to push, but got {type(error).__name__}. Check the "
                "network and HF_ENDPOINT."
            ) from error
        except (RuntimeError, ValueError) as error:
            # The uploader of large files, a card that the Hub refuses, an answer that is no Hub's.
            raise HubUnavailable(
                f"the Hub must take the files, but got {str(error)!r:.200}. Try again."
            ) from error

    def _refused(self, error: hub.HfHubHTTPError) -> DfExplainError:
        """The error to raise for an answer of the Hub."""
        status = error.response.status_code
        if status == 401 and not isinstance(error, hub.RepositoryNotFoundError):
            return HubUnavailable(
                "the token must be valid, but the Hub answered 401. Make a new one, and log in "
                "with `hf auth login` or set HF_TOKEN."
            )
        if status == 403:
            return HubUnavailable(
                f"the token must have the right to write to {self.repo}, but the Hub answered 403. "
                "Use a token with that right, or push under your own name."
            )
        if isinstance(error, hub.RepositoryNotFoundError):
            return HubUnavailable(
                f"{self.repo} must be there, but the Hub does not have it. Check the name."
            )
        if status in (409, 412):
            return PushRefused(
                f"{self.repo} must not change during a push, but it did ({status}). Look at what "
                "came in, and push again."
            )
        if status == 429:
            wait = error.response.headers.get("retry-after", "")
            when = f"in {wait} s" if wait.isdecimal() else "later"
            return HubUnavailable(
                f"the Hub must take the push, but limits how often it is asked (429). Try again "
                f"{when}."
            )
        return HubUnavailable(
            f"the Hub must take the push to {self.repo}, but answered {status}. Try again later."
        )


def _remote(repo: str, about: hf.ModelInfo) -> _Remote:
    if about.sha is None or not _COMMIT.fullmatch(about.sha):
        raise HubUnavailable(
            f"the Hub must answer with a commit sha of {repo}, but got {about.sha!r:.60}. Check "
            "HF_ENDPOINT."
        )
    return _Remote(about.sha, frozenset(file.rfilename for file in about.siblings or []))
