"""Puts a weights folder on the Hugging Face Hub: checked first, in one commit, then the tag.

Nothing is sent before `release_checks.check` passed, and no weights before the Hub's own state is
known: whether the repository exists and is as private as asked, whether the tag is free, and
whether the golden crops are answered as the weights there answer them.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dfexplain import golden, release_checks
from dfexplain import weights_folder as layout
from dfexplain.errors import HubUnavailable, PushRefused, SettingError, WeightsRefused
from dfexplain.pushing import COMMIT, Pusher, Remote, api_of, check_name
from dfexplain.untrusted import FolderReader
from dfexplain.weights_folder import Weights

__all__ = ["Published", "push"]

_TAG = re.compile(r"[A-Za-z0-9][\w.-]{0,127}")


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
    check_name(repo)
    if tag is not None and (not _TAG.fullmatch(tag) or ".." in tag or COMMIT.fullmatch(tag)):
        raise SettingError(
            f"--tag must be letters, digits, dots and dashes, but got {tag!r:.120}. Take v1."
        )
    weights, notes = release_checks.check(Path(folder).expanduser())
    to = _Pusher(repo, api_of(token))
    there = to.look(private)
    if there is not None and tag is not None:
        to.check_free(tag)
    lines: list[str] = []
    if there is None:
        there = to.create(private)
    else:
        lines = to.changes(there, weights)
        if lines and not changed:
            raise PushRefused(
                f"weights must answer as those of {repo}@{there.commit[:12]} do, but differ in "
                f"{len(lines)} answers ({lines[0]}). Say why with --changed, or push to another "
                "repository."
            )
    files = {name: path for name in layout.FILES if (path := weights.folder / name).is_file()}
    commit, url = to.commit(
        files,
        [name for name in layout.FILES if name in there.files and name not in files],
        there,
        message or f"dfexplain weights {weights.info.sha256[:12]}",
        _description(weights, lines, changed),
    )
    if tag is not None:
        to.tag(tag, commit)
    return Published(repo, commit, tag, url, tuple(notes))


def _description(weights: Weights, lines: list[str], changed: str | None) -> str:
    about = [f"sha256 of {layout.MODEL}: {weights.info.sha256}"]
    if lines:
        about += [f"Changed: {changed}", *lines]
    return "\n".join(about)


class _Pusher(Pusher):
    """A push of weights: their answers are compared with those there, and the commit gets a tag."""

    def check_free(self, tag: str) -> None:
        """Raise PushRefused for a name that the repository knows already."""
        refs = self.ask(lambda: self.api.list_repo_refs(self.repo))
        if tag in {ref.name for ref in [*refs.tags, *refs.branches]}:
            raise PushRefused(
                f"--tag must be new, but {self.repo} has {tag!r} already. Nothing was sent: take "
                "the next one."
            )

    def changes(self, there: Remote, weights: Weights) -> list[str]:
        """What the weights on the Hub answer otherwise; empty where there are none yet."""
        assert weights.golden is not None, "checked by golden.verify"
        if layout.GOLDEN not in there.files:
            return []
        label = f"{self.repo}@{there.commit}"
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch).resolve()
            self.ask(
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

    def tag(self, tag: str, commit: str) -> None:
        """Name the commit. The weights are on the Hub by now, so a failure says how to go on."""
        try:
            self.ask(lambda: self.api.create_tag(self.repo, tag=tag, revision=commit))
        except (HubUnavailable, PushRefused) as error:
            raise HubUnavailable(
                f"the weights are on the Hub as {self.repo}@{commit}, but the tag {tag!r} is not: "
                f"{error} Set it with `hf repos tag create {self.repo} {tag} --revision {commit}`."
            ) from error
