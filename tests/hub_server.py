"""A Hugging Face Hub of our own, in memory, for tests: what `huggingface_hub` 2.4 calls, xet off.

    with HubServer() as hub:
        hub.publish("org/name", {"config.json": b"..."}, tag="v1")
        ...  # a client with HF_ENDPOINT=hub.url

Reading: model info, revision, tree, refs, commits, resolve. Writing: whoami, create, validate-yaml,
preupload, LFS batch, upload and verify, commit (a stale parent gets 412), tag; a Space's variables.
Like the real one it answers 401 for what a stranger may not see, be it private or missing, and 403
for writing without the right to it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from tests.hub_store import Commit, RefusalError, Repo, Store, faulty, is_lfs, oid

__all__ = ["HubServer"]

DATE = "2026-01-01T00:00:00.000Z"


class HubServer(Store):
    """The server, on a free port of the loopback interface.

    What goes wrong with a file 'org/name/path' in `faults`: `cut` (the connection ends half-way),
    `short` (half of the file, as if it were all), `altered` (a bit flipped).
    """

    def __init__(self) -> None:
        super().__init__()
        config = uvicorn.Config(
            _routes(self), host="127.0.0.1", port=0, log_level="critical", ws="none", lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> HubServer:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _entry(path: str, data: bytes, blobs: bool = True) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": path}
    entry: dict[str, Any] = {"rfilename": path, "size": len(data), "blobId": oid(path, data)}
    if is_lfs(path, len(data)):
        entry["lfs"] = {"sha256": oid(path, data), "size": len(data), "pointerSize": 130}
    return entry


def _body(data: bytes, start: int, fault: str | int | None) -> Iterator[bytes]:
    if fault == "cut":
        yield data[start : len(data) // 2]
        raise ConnectionAbortedError("cut on purpose")
    yield data[start:]


def _routes(hub: HubServer) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.middleware("http")
    async def note(request: Request, call_next: Any) -> Any:
        call = f"{request.method} {request.url.path}"
        hub.log.append(call)
        if call in hub.faults:
            return await faulty(hub.faults[call])
        return await call_next(request)

    @app.exception_handler(RefusalError)
    def refuse(request: Request, refusal: RefusalError) -> JSONResponse:
        headers = {"X-Error-Message": refusal.message}
        if refusal.code:
            headers["X-Error-Code"] = refusal.code
        return JSONResponse({"error": refusal.message}, refusal.status, headers)

    @app.get("/api/whoami-v2")
    def whoami(request: Request) -> dict[str, Any]:
        hub.signed_in(request, required=True)
        return {"type": "user", "name": "org", "orgs": [], "auth": {"type": "access_token"}}

    @app.post("/api/repos/create")
    async def create(request: Request) -> JSONResponse:
        hub.may_write(request)
        asked = await request.json()
        name = f"{asked.get('organization') or 'org'}/{asked['name']}"
        if asked.get("type") == "space":
            name = f"spaces/{name}"
        status = 409 if name in hub.repos else 200
        if name not in hub.repos:
            private = asked.get("visibility") == "private"
            hub.repos[name] = Repo(private, sdk=asked.get("sdk"))
            hub.repos[name].add({".gitattributes": b"*.safetensors filter=lfs\n"}, "initial commit")
        return JSONResponse({"url": f"{hub.url}/{name}", "name": name}, status)

    def key(kind: str, org: str, name: str) -> str:
        if kind not in ("models", "spaces"):
            raise RefusalError(404, "RepoNotFound", "Repository not found")
        return f"spaces/{org}/{name}" if kind == "spaces" else f"{org}/{name}"

    @app.post("/api/validate-yaml")
    def validate() -> dict[str, Any]:
        return {"errors": [], "warnings": []}

    def describe(request: Request, name: str, revision: str, blobs: bool) -> dict[str, Any]:
        commit = hub.commit_of(request, name, revision)
        files = [_entry(path, data, blobs) for path, data in sorted(commit.files.items())]
        private = hub.repos[name].private
        return {"id": name, "sha": commit.sha, "private": private, "siblings": files, "tags": []}

    @app.get("/api/{kind}/{org}/{name}")
    def info(
        request: Request, kind: str, org: str, name: str, blobs: bool = False
    ) -> dict[str, Any]:
        return describe(request, key(kind, org, name), "main", blobs)

    @app.get("/api/models/{org}/{name}/revision/{revision:path}")
    def at(
        request: Request, org: str, name: str, revision: str, blobs: bool = False
    ) -> dict[str, Any]:
        return describe(request, f"{org}/{name}", revision, blobs)

    @app.get("/api/models/{org}/{name}/tree/{revision:path}")
    def tree(request: Request, org: str, name: str, revision: str) -> list[dict[str, Any]]:
        commit = hub.commit_of(request, f"{org}/{name}", revision)
        out = []
        for path, data in sorted(commit.files.items()):
            entry = {"type": "file", "path": path, "size": len(data), "oid": oid(path, data)}
            if is_lfs(path, len(data)):
                entry["lfs"] = {"oid": oid(path, data), "size": len(data), "pointerSize": 130}
            out.append(entry)
        return out

    @app.get("/api/models/{org}/{name}/refs")
    def refs(request: Request, org: str, name: str) -> dict[str, Any]:
        repo = hub.visible(request, f"{org}/{name}")
        kinds = (("branches", "heads", repo.branches), ("tags", "tags", repo.tags))
        found = {
            key: [
                {"name": ref, "ref": f"refs/{kind}/{ref}", "targetCommit": sha}
                for ref, sha in known.items()
            ]
            for key, kind, known in kinds
        }
        return {**found, "converts": []}

    @app.get("/api/models/{org}/{name}/commits/{revision:path}")
    def commits(request: Request, org: str, name: str, revision: str) -> list[dict[str, Any]]:
        at: Commit | None = hub.commit_of(request, f"{org}/{name}", revision)
        out = []
        while at is not None:
            words = {"title": at.title, "message": "", "authors": [{"user": "org"}]}
            out.append({"id": at.sha, "date": DATE, **words})
            at = hub.repos[f"{org}/{name}"].commits.get(at.parent or "")
        return out

    @app.api_route("/{org}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
    def resolve(request: Request, org: str, name: str, revision: str, path: str) -> Response:
        commit = hub.commit_of(request, f"{org}/{name}", revision)
        data = commit.files.get(path)
        if data is None:
            raise RefusalError(404, "EntryNotFound", "Entry not found")
        headers = {"X-Repo-Commit": commit.sha, "ETag": f'"{oid(path, data)}"'}
        if is_lfs(path, len(data)):
            headers |= {"X-Linked-Etag": f'"{oid(path, data)}"', "X-Linked-Size": str(len(data))}
        if request.method == "HEAD":
            return Response(headers=headers | {"Content-Length": str(len(data))})
        fault = hub.faults.get(f"{org}/{name}/{path}")
        if fault == "altered":
            data = data[:-1] + bytes([data[-1] ^ 1])
        if fault == "short":
            data = data[: len(data) // 2]
        start = 0
        asked = request.headers.get("range", "")
        if asked.startswith("bytes=") and asked.endswith("-"):
            start = int(asked[len("bytes=") : -1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        headers["Content-Length"] = str(len(data) - start)
        return StreamingResponse(
            _body(data, start, fault), 206 if start else 200, headers, "application/octet-stream"
        )

    @app.post("/api/{kind}/{org}/{name}/preupload/{revision:path}")
    async def preupload(
        request: Request, kind: str, org: str, name: str, revision: str
    ) -> dict[str, Any]:
        hub.may_write(request)
        head = hub.commit_of(request, key(kind, org, name), revision).files
        if hub.interrupt is not None:
            somebody, hub.interrupt = hub.interrupt, None
            somebody()
        return {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if is_lfs(file["path"], file["size"]) else "regular",
                    "shouldIgnore": False,
                    **(
                        {"oid": oid(file["path"], head[file["path"]])}
                        if file["path"] in head
                        else {}
                    ),
                }
                for file in (await request.json())["files"]
            ]
        }

    @app.post("/{repo:path}.git/info/lfs/objects/batch")
    async def batch(request: Request, repo: str) -> dict[str, Any]:
        hub.may_write(request)
        objects = []
        for wanted in (await request.json())["objects"]:
            known = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in hub.blobs:
                known["actions"] = {
                    "upload": {"href": f"{hub.url}/lfs/{wanted['oid']}", "header": {}},
                    "verify": {"href": f"{hub.url}/lfs/{wanted['oid']}/verify", "header": {}},
                }
            objects.append(known)
        return {"transfer": "basic", "objects": objects}

    @app.put("/lfs/{sha256}")
    async def upload(request: Request, sha256: str) -> Response:
        data = await request.body()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise RefusalError(400, "", "The content does not have that sha256")
        hub.blobs[sha256] = data
        return Response()

    @app.post("/lfs/{sha256}/verify")
    def verify(sha256: str) -> Response:
        return Response(status_code=200 if sha256 in hub.blobs else 404)

    @app.post("/api/{kind}/{org}/{name}/commit/{revision:path}")
    async def commit(
        request: Request, kind: str, org: str, name: str, revision: str
    ) -> dict[str, Any]:
        hub.may_write(request)
        repo = hub.visible(request, key(kind, org, name))
        head = repo.branches.get(revision)
        files = dict(repo.commits[head].files) if head else {}
        title = description = ""
        for line in (await request.body()).splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                title, description = value["summary"], value["description"]
                if value.get("parentCommit") not in (None, head):
                    raise RefusalError(412, "", "A commit has happened since. Please refresh.")
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = hub.blobs[value["oid"]]
            elif item["key"] == "deletedFile":
                files.pop(value["path"], None)
        made = repo.add(files, title, description)
        url = f"{hub.url}/{key(kind, org, name)}/commit/{made.sha}"
        return {"commitOid": made.sha, "commitUrl": url, "hookOutput": ""}

    @app.api_route("/api/spaces/{org}/{name}/variables", methods=["GET", "POST", "DELETE"])
    async def variables(request: Request, org: str, name: str) -> dict[str, Any]:
        hub.may_write(request)
        known = hub.visible(request, f"spaces/{org}/{name}").variables
        if request.method != "GET":
            asked = await request.json()
            known.pop(asked["key"], None)
            if request.method == "POST":
                known[asked["key"]] = asked["value"]
        return {name: {"value": value} for name, value in known.items()}

    @app.post("/api/models/{org}/{name}/tag/{revision:path}")
    async def tag(request: Request, org: str, name: str, revision: str) -> Response:
        hub.may_write(request)
        made = hub.commit_of(request, f"{org}/{name}", revision)
        asked = (await request.json())["tag"]
        known = hub.repos[f"{org}/{name}"].tags
        if asked in known:
            raise RefusalError(409, "", "This tag exists already")
        known[asked] = made.sha
        return Response()

    return app
