"""The way of a push to the Hugging Face Hub, whatever is pushed: looked at first, then one commit.

The commit names the parent that was looked at, so that a push that came in between is not
overwritten unseen. No error holds the token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing import TimeoutError as PatienceEnded
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Literal, TypeVar

import httpx2
import huggingface_hub as hf
from huggingface_hub import errors as hub

from dfexplain.errors import DfExplainError, HubUnavailable, PushRefused, SettingError
from dfexplain.hub import ANSWER_S, SLOWEST_BYTES_PER_S

__all__ = ["COMMIT", "Pusher", "Remote", "api_of", "check_name"]

T = TypeVar("T")

COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}")
# A header can carry these characters and no others.
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Remote:
    """The repository as it was looked at: the head of main and the names of its files."""

    commit: str
    files: frozenset[str]


def check_name(repo: str) -> None:
    """Raise SettingError unless `repo` is `org/name`, as the Hub names repositories."""
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise SettingError(f"--repo must be org/name, but got {repo!r:.120}. Correct the name.")


def api_of(token: str | None = None) -> hf.HfApi:
    """The client with `token`, else with that of `hf auth login` or HF_TOKEN. Raises HubUnavailable
    where there is none."""
    token = token or hf.get_token()
    if token is None or not _TOKEN.fullmatch(token):
        got = "none was found" if token is None else "the one found holds other characters"
        raise HubUnavailable(
            f"a token with the right to write must be there to push, but {got}. Log in with "
            "`hf auth login`, or set HF_TOKEN."
        )
    return hf.HfApi(token=token, library_name="dfexplain")


class Pusher:
    """The questions and orders of one push, each with a time limit and its errors translated."""

    def __init__(self, repo: str, api: hf.HfApi, kind: Literal["model", "space"] = "model") -> None:
        self.repo, self.api, self.kind = repo, api, kind

    def look(self, private: bool) -> Remote | None:
        """The repository as it stands, None where there is none. Raises PushRefused for one that
        is less private than asked."""
        try:
            about = self._about()
        except HubUnavailable as error:
            if isinstance(error.__cause__, hub.RepositoryNotFoundError):
                return None
            raise
        if private and not about.private:
            raise PushRefused(
                f"{self.repo} must be private as asked, but is public. Make it private on the Hub, "
                "or push to another repository."
            )
        return self._remote(about)

    def create(self, private: bool) -> Remote:
        """Make the repository."""
        sdk = "gradio" if self.kind == "space" else None
        self.ask(
            lambda: self.api.create_repo(
                self.repo, private=private, repo_type=self.kind, space_sdk=sdk
            )
        )
        return self._remote(self._about())

    def is_open(self, model: str, revision: str) -> bool:
        """Whether anybody may load a model repository at a revision, without a token."""
        try:
            about = self.ask(
                lambda: self.api.model_info(model, revision=revision, timeout=ANSWER_S, token=False)
            )
        except HubUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, hub.HfHubHTTPError) and cause.response.status_code < 429:
                return False
            raise
        return not about.gated

    def commit(
        self, files: dict[str, Path], gone: Iterable[str], there: Remote, title: str, about: str
    ) -> tuple[str, str]:
        """Send `files` (name there: file here) and delete `gone` in one commit on main; its sha and
        its address."""
        operations: list[hf.CommitOperationAdd | hf.CommitOperationDelete] = [
            hf.CommitOperationAdd(name, path) for name, path in files.items()
        ]
        operations += [hf.CommitOperationDelete(name) for name in gone]
        size = sum(path.stat().st_size for path in files.values())
        made = self.ask(
            lambda: self.api.create_commit(
                self.repo,
                operations,
                commit_message=title,
                commit_description=about,
                parent_commit=there.commit,
                repo_type=self.kind,
            ),
            4 * ANSWER_S + size / SLOWEST_BYTES_PER_S,
        )
        return made.oid, made.commit_url

    def ask(self, call: Callable[[], T], seconds: float = 2 * ANSWER_S) -> T:
        """Call the client, which has no time limit of its own.

        Raises PushRefused for a repository that changed meanwhile, SettingError for a name that is
        none, and HubUnavailable where the Hub or the network says no.
        """
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

    def _about(self) -> hf.ModelInfo | hf.SpaceInfo:
        of = self.api.space_info if self.kind == "space" else self.api.model_info
        return self.ask(lambda: of(self.repo, timeout=ANSWER_S))

    def _remote(self, about: hf.ModelInfo | hf.SpaceInfo) -> Remote:
        if about.sha is None or not COMMIT.fullmatch(about.sha):
            raise HubUnavailable(
                f"the Hub must answer with a commit sha of {self.repo}, but got {about.sha!r:.60}. "
                "Check HF_ENDPOINT."
            )
        return Remote(about.sha, frozenset(file.rfilename for file in about.siblings or []))
