"""A loopback Hub: enough of the Hugging Face HTTP API for the unmodified client to create, push and pull.

It covers repository creation, upload by LFS (batch, transfer, verify) and by commit (NDJSON), parent-commit checks,
tokens with and without write access, revisions, resolve with ETag, Range and linked sizes, the xet path through a
local store, and faults on demand. It says nothing of the real Hub's storage, CDN, quotas or rendering of cards.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def point_client(patch: pytest.MonkeyPatch, url: str, folder: Path) -> None:
    """The Hub's client of this process at ``url``, over LFS, with its cache and no stored token below ``folder``.

    The client reads its switches once, at its first import, so they are set in its module; what it reads anew at each
    call is set in the environment.
    """
    from huggingface_hub import constants

    for name, value in {"HF_HUB_DISABLE_XET": True, "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_IMPLICIT_TOKEN": False,
                        "HF_TOKEN_PATH": str(folder / "no token")}.items():  # fmt: skip
        patch.setattr(constants, name, value)
    variables = {"HF_ENDPOINT": url, "HF_HUB_CACHE": str(folder / "cache"), "NO_PROXY": "127.0.0.1"}
    for key, text in variables.items():
        patch.setenv(key, text)
    for key in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WZROI_REPO"):
        patch.delenv(key, raising=False)


WRITE, READ = "hf_write", "hf_read"
USER = "tester"


@dataclass
class Fault:
    """What goes wrong, for the next ``times`` requests whose ``METHOD path`` matches.

    Attributes:
        status: answer with this code instead. cut_after: break the connection after so many bytes of the answer's
            body (or, for an upload, of the request's). change: of the answer's body, its announced length
            with it. delay: seconds to wait before the answer.
    """

    pattern: str
    times: int = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    change: Callable[[bytes], bytes] | None = None
    delay: float = 0.0


@dataclass
class Repo:
    """Commits newest last: each a map from path to (size, sha256 of LFS content or ``None``, bytes)."""

    private: bool = False
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit of a branch, tag or hash."""
        if revision == "main":
            return self.commits[-1]
        wanted = self.tags.get(revision, revision)
        return next((commit for commit in self.commits if commit[0] == wanted), None)


def is_lfs(path: str) -> bool:
    """What the Hub's default .gitattributes sends to large file storage."""
    return path.endswith(".safetensors")


def blob_id(content: bytes) -> str:
    """Git's id of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class LoopbackHub:
    """State and handlers; ``url`` once it runs. ``log`` holds ``METHOD path`` of every request."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.log: list[str] = []
        self.url = ""
        self.cas = ""
        self.xet: dict[str, str] = {}  # sha256 -> xet hash of files that are sent and fetched through the store ``cas``
        self._lock = threading.Lock()
        routes = [
            Route("/api/whoami-v2", self.whoami),
            Route("/api/repos/create", self.create, methods=["POST"]),
            Route("/api/validate-yaml", self.validate, methods=["POST"]),
            Route("/api/models/{owner}/{name}/preupload/{revision}", self.preupload, methods=["POST"]),
            Route("/api/models/{owner}/{name}/commit/{revision}", self.commit, methods=["POST"]),
            Route("/api/models/{owner}/{name}/revision/{revision}", self.info),
            Route("/api/models/{owner}/{name}", self.info),
            Route("/api/models/{owner}/{name}/xet-{kind}-token/{revision}", self.xet_token),
            Route("/{owner}/{name}.git/info/lfs/objects/batch", self.batch, methods=["POST"]),
            Route("/lfs/{oid}", self.put, methods=["PUT"]),
            Route("/lfs/{oid}/verify", self.verify, methods=["POST"]),
            Route("/{owner}/{name}/resolve/{revision}/{path:path}", self.resolve, methods=["GET", "HEAD"]),
        ]
        self.app = Starlette(routes=routes)

    def requests(self, pattern: str) -> list[str]:
        """Logged requests that match."""
        return [line for line in self.log if re.search(pattern, line)]

    # --- faults -------------------------------------------------------------------------------------------------

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        line = f"{scope['method']} {scope['path']}"
        fault = self._strike(line)
        if fault is not None:
            await asyncio.sleep(fault.delay)
        if fault is None:
            await self.app(scope, receive, send)
        elif fault.status is not None:
            await Response(b"{}", fault.status, headers=fault.headers)(scope, receive, send)
        elif scope["method"] == "PUT":
            await self._cut_upload(fault, receive)
        else:
            await self.app(scope, receive, _Faulty(fault, receive.__self__.transport, send))

    def _strike(self, line: str) -> Fault | None:
        with self._lock:
            self.log.append(line)
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.pattern, line):
                    fault.times -= 1
                    return fault
        return None

    async def _cut_upload(self, fault: Fault, receive: Any) -> None:
        seen = 0
        while seen <= (fault.cut_after or 0):
            message = await receive()
            seen += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        receive.__self__.transport.abort()

    # --- handlers -----------------------------------------------------------------------------------------------

    def _repo(self, request: Request, *, write: bool = False) -> Repo | Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        if token and token not in (WRITE, READ):
            return error(401, message="Invalid credentials in Authorization header")
        repo = self.repos.get(name)
        if repo is None or (repo.private and not token):
            return error(404 if token else 401, "RepoNotFound")
        if write and token != WRITE:
            return error(403, message="this token is read-only")
        return repo

    async def whoami(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in (WRITE, READ):
            return error(401, message="Invalid credentials in Authorization header")
        return JSONResponse({"type": "user", "name": USER, "orgs": [], "auth": {"accessToken": {"role": "write"}}})

    async def create(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {WRITE}":
            return error(403, message="this token cannot create repositories")
        body = await request.json()
        name = f"{body.get('organization') or USER}/{body['name'].split('/')[-1]}"
        if name in self.repos:
            return JSONResponse({"url": f"{self.url}/{name}"}, 409)
        self.repos[name] = Repo(bool(body.get("private")))
        self._append(self.repos[name], {".gitattributes": b"*.safetensors filter=lfs\n"})
        return JSONResponse({"url": f"{self.url}/{name}"})

    async def validate(self, request: Request) -> Response:
        import yaml

        body = await request.json()
        text = body["content"].split("---\n")[1]
        values = yaml.safe_load(text)
        errors = [] if isinstance(values, dict) and "license" in values else [{"message": "license is missing"}]
        return JSONResponse({"errors": errors, "warnings": []}, 400 if errors else 200)

    async def xet_token(self, request: Request) -> Response:
        repo = self._repo(request, write=request.path_params["kind"] == "write")
        if isinstance(repo, Response):
            return repo
        expires = int(time.time()) + 3600
        headers = {"X-Xet-Cas-Url": self.cas, "X-Xet-Access-Token": "xet", "X-Xet-Token-Expiration": str(expires)}
        return JSONResponse({"casUrl": self.cas, "accessToken": "xet", "exp": expires}, headers=headers)

    async def preupload(self, request: Request) -> Response:
        repo = self._repo(request, write=True)
        if isinstance(repo, Response):
            return repo
        files = repo.commits[-1][1]
        answers = []
        for item in (await request.json())["files"]:
            there = files.get(item["path"])
            lfs = is_lfs(item["path"])
            oid = None if there is None else hashlib.sha256(there).hexdigest() if lfs else blob_id(there)
            mode = "lfs" if lfs else "regular"
            answers.append({"path": item["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return JSONResponse({"files": answers})

    async def batch(self, request: Request) -> Response:
        repo = self._repo(request, write=True)
        if isinstance(repo, Response):
            return repo
        objects = []
        for item in (await request.json())["objects"]:
            entry: dict[str, Any] = {"oid": item["oid"], "size": item["size"]}
            if item["oid"] not in self.objects:
                href = f"{self.url}/lfs/{item['oid']}"
                entry["actions"] = {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}}
            objects.append(entry)
        return JSONResponse({"transfer": "basic", "objects": objects})

    async def put(self, request: Request) -> Response:
        body = await request.body()
        if hashlib.sha256(body).hexdigest() != request.path_params["oid"]:
            return Response("content differs from its oid", 400)
        self.objects[request.path_params["oid"]] = body
        return Response()

    async def verify(self, request: Request) -> Response:
        body = await request.json()
        return Response(status_code=200 if len(self.objects.get(body["oid"], b"")) == body["size"] else 404)

    async def commit(self, request: Request) -> Response:
        repo = self._repo(request, write=True)
        if isinstance(repo, Response):
            return repo
        lines = [json.loads(line) for line in (await request.body()).splitlines() if line.strip()]
        parent = lines[0]["value"].get("parentCommit")
        if parent is not None and parent != repo.commits[-1][0]:
            return error(412, message="the parent commit is not the head")
        files = dict(repo.commits[-1][1])
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.objects:
                    return error(400, message="the LFS object was not uploaded")
                files[value["path"]] = self.objects[value["oid"]]
        sha = self._append(repo, files)
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        return JSONResponse({"commitUrl": f"{self.url}/{name}/commit/{sha}", "commitOid": sha, "success": True})

    def _append(self, repo: Repo, files: dict[str, bytes]) -> str:
        text = json.dumps([len(repo.commits), {path: blob_id(blob) for path, blob in sorted(files.items())}])
        sha = hashlib.sha1(text.encode()).hexdigest()
        repo.commits.append((sha, files))
        return sha

    async def info(self, request: Request) -> Response:
        repo = self._repo(request)
        if isinstance(repo, Response):
            return repo
        found = repo.at(request.path_params.get("revision", "main"))
        if found is None:
            return error(404, "RevisionNotFound")
        siblings = []
        for path, blob in found[1].items():
            item: dict[str, Any] = {"rfilename": path, "size": len(blob), "blobId": blob_id(blob)}
            if is_lfs(path):
                item["lfs"] = {"sha256": hashlib.sha256(blob).hexdigest(), "size": len(blob), "pointerSize": 130}
            siblings.append(item)
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        values = {"id": name, "modelId": name, "sha": found[0], "siblings": siblings, "private": repo.private}
        return JSONResponse(values | {"tags": [], "downloads": 0, "likes": 0})

    async def resolve(self, request: Request) -> Response:
        repo = self._repo(request)
        if isinstance(repo, Response):
            return repo
        found = repo.at(request.path_params["revision"])
        if found is None:
            return error(404, "RevisionNotFound")
        blob = found[1].get(request.path_params["path"])
        if blob is None:
            return error(404, "EntryNotFound", headers={"X-Repo-Commit": found[0]})
        lfs = is_lfs(request.path_params["path"])
        etag = hashlib.sha256(blob).hexdigest() if lfs else blob_id(blob)
        headers = {"X-Repo-Commit": found[0], "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if lfs and etag in self.xet:
            route = f"{self.url}/api/models/{request.path_params['owner']}/{request.path_params['name']}"
            headers |= {"X-Xet-Hash": self.xet[etag], "Link": f'<{route}/xet-read-token/main>; rel="xet-auth"'}
        if lfs:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(blob))}
        return _ranged(request, blob, headers)


def _ranged(request: Request, blob: bytes, headers: dict[str, str]) -> Response:
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if match is None:
        return Response(blob, headers=headers, media_type="application/octet-stream")
    start, end = int(match[1]), int(match[2] or len(blob) - 1)
    headers |= {"Content-Range": f"bytes {start}-{end}/{len(blob)}"}
    return Response(blob[start : end + 1], 206, headers=headers, media_type="application/octet-stream")


def error(status: int, code: str = "", *, message: str = "", headers: dict[str, str] | None = None) -> Response:
    """An answer with the Hub's error headers."""
    told = {key: value for key, value in {"X-Error-Code": code, "X-Error-Message": message}.items() if value}
    return JSONResponse({"error": message or code}, status, headers=told | (headers or {}))


class _Faulty:
    """A ``send`` that changes the body, or breaks the connection after some of it."""

    def __init__(self, fault: Fault, transport: Any, send: Any) -> None:
        self.fault, self.transport, self.send, self.sent = fault, transport, send, 0
        self.held: dict[str, Any] = {}

    async def __call__(self, message: dict[str, Any]) -> None:
        if self.fault.change is not None:
            await self._changed(message)
            return
        body = message.get("body", b"")
        cut = self.fault.cut_after
        if cut is not None and message["type"] == "http.response.body":
            left = max(0, cut - self.sent)
            await self.send(message | {"body": body[:left], "more_body": True})
            self.transport.close()
            return
        self.sent += len(body)
        await self.send(message)

    async def _changed(self, message: dict[str, Any]) -> None:
        """Starlette answers in one piece: its start is held until the length of the changed body is known."""
        if message["type"] == "http.response.start":
            self.held = message
            return
        assert self.fault.change is not None
        body = self.fault.change(message["body"]) if message["body"] else b""
        headers = [(key, value) for key, value in self.held["headers"] if key.lower() != b"content-length"]
        length = [(b"content-length", str(len(body)).encode())]
        await self.send(self.held | {"headers": headers + length})
        await self.send(message | {"body": body})


@contextmanager
def running(hub: LoopbackHub) -> Iterator[LoopbackHub]:
    """Serve on a free loopback port until the block ends."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    hub.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(hub, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield hub
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()
