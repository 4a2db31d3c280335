"""What the tests' Hub remembers: repositories, commits, tags, large files, and who may see them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

__all__ = ["READER", "TOKEN", "Commit", "RefusalError", "Repo", "Store", "faulty", "is_lfs", "oid"]

TOKEN = "hf_token_of_the_tests"
# Longer than any patience of the tests.
SLOW_S = 60.0
# Of somebody who may read what is private, and write nothing.
READER = "hf_reader_of_the_tests"


@dataclass(frozen=True)
class Commit:
    sha: str
    parent: str | None
    title: str
    description: str
    files: dict[str, bytes]


@dataclass
class Repo:
    private: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    # Of a Space.
    sdk: str | None = None
    variables: dict[str, str] = field(default_factory=dict)

    def find(self, revision: str) -> Commit | None:
        sha = self.branches.get(revision) or self.tags.get(revision) or revision
        return self.commits.get(sha)

    def add(self, files: dict[str, bytes], title: str, description: str = "") -> Commit:
        """A commit on main with these files and no others."""
        parent = self.branches.get("main")
        digest = hashlib.sha1(repr((parent, title, sorted(files.items()))).encode()).hexdigest()
        commit = Commit(digest, parent, title, description, dict(files))
        self.commits[digest] = commit
        self.branches["main"] = digest
        return commit


class RefusalError(Exception):
    """An answer that is an error, as the Hub words it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


async def faulty(fault: str | int) -> Response:
    """An answer too late, one that is no Hub's, or a status."""
    if fault == "slow":
        await asyncio.sleep(SLOW_S)
    if fault in ("slow", "wrong"):
        return HTMLResponse("<html>a hotel's sign-in page</html>")
    return JSONResponse({"error": "on purpose"}, int(fault), {"Retry-After": "7"})


def is_lfs(path: str, size: int) -> bool:
    return path.endswith(".safetensors") or size > 10_000_000


def oid(path: str, data: bytes) -> str:
    """What names the blob: its sha256 in LFS, else git's sha1."""
    if is_lfs(path, len(data)):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Store:
    """The Hub's memory. A Space is the repository `spaces/org/name`.

    `log` holds 'METHOD path' of each call. `faults` maps a file to what goes wrong when it is
    fetched, and 'METHOD path' to the status that such a call gets instead of an answer, or to
    `slow` or `wrong`. `interrupt`
    is called once, when a client has begun to upload: somebody else's push.
    """

    def __init__(self) -> None:
        self.url = ""
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.faults: dict[str, str | int] = {}
        self.interrupt: Callable[[], object] | None = None
        self.log: list[str] = []

    def publish(
        self, repo: str, files: dict[str, bytes], *, tag: str | None = None, private: bool = False
    ) -> str:
        """Put a commit on main without going through a client; returns its sha."""
        kept = self.repos.setdefault(repo, Repo(private))
        sha = kept.add(files, f"publish {tag or ''}").sha
        if tag is not None:
            kept.tags[tag] = sha
        return sha

    def visible(self, request: Request, name: str) -> Repo:
        signed_in = self.signed_in(request)
        repo = self.repos.get(name)
        if repo is None or (repo.private and not signed_in):
            raise RefusalError(404 if signed_in else 401, "RepoNotFound", "Repository not found")
        return repo

    def signed_in(self, request: Request, *, required: bool = False) -> bool:
        header = request.headers.get("authorization")
        known = (None, f"Bearer {TOKEN}", f"Bearer {READER}")
        if header not in known or (required and header is None):
            raise RefusalError(401, "", "Invalid credentials in Authorization header")
        return header is not None

    def may_write(self, request: Request) -> None:
        self.signed_in(request, required=True)
        if request.headers["authorization"] != f"Bearer {TOKEN}":
            raise RefusalError(403, "", "You don't have the rights to write here")

    def commit_of(self, request: Request, name: str, revision: str) -> Commit:
        commit = self.visible(request, name).find(revision)
        if commit is None:
            raise RefusalError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit
