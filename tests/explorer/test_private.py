"""Nothing of the host is readable through the explorer: no file that it does not serve, no environment variable."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlparse

import pytest

from tests.support.app_server import running_app, zoo_for
from tests.support.shared import ROOT

SECRET = "a-word-that-only-the-host-knows-7351"

PATHS = (
    "/../../../../{file}", "/..%2f..%2f..%2f..%2f{file}", "/%2e%2e/%2e%2e/%2e%2e/{file}", "//{file}",
    "/static/../{file}",
    "/static/..%2f..%2f..%2f{file}", "/app/static/../../{file}", "/app/static/..%2f..%2f..%2f..%2f{file}",
    "/media/../../{file}", "/media/..%2f..%2f{file}", "/component/wzroi/../../../{file}",
    "/bidi-components/../../{file}",
    "/_stcore/../../{file}", "/wzroi/../../{file}", "/wzroi/frame/../../../{file}", "/file={file}", "/file/{file}",
)
"""Ways to ask for a file that is not served; ``{file}`` is an absolute path without its first slash."""

QUERIES = (
    "pair={file}", "pair=/{file}", "pair=file:///{file}", "pair=gallery:../../../{file}", "pair=gallery:/{file}",
    "pair=cifar:../{file}", "pair=upload:../../{file}", "pair=upload:/{file}", "models=../../{file}", "models=/{file}",
    "models=..%2f..%2f{file}", "roi=painted:../../{file}", "channel=../../{file}", "pair=${{WZROI_HIDDEN}}",
    "models={{WZROI_HIDDEN}}", "roi=%24WZROI_HIDDEN", "pair=gallery:cifar-0%00/{file}",
)


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("host") / "secret.png"
    path.write_text(SECRET)
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with running_app(zoo_for(folder), folder / "log", WZROI_HIDDEN=SECRET) as found:
        yield found


def asked(address: str, path: str) -> tuple[int, str]:
    """Status and body of a request whose path is sent as it is, with nothing made canonical."""
    link = http.client.HTTPConnection(urlparse(address).netloc, timeout=60)
    link.request("GET", path)
    answer = link.getresponse()
    body = answer.read().decode("utf-8", "replace")
    link.close()
    return answer.status, body


def test_the_server_gives_no_file_that_it_does_not_serve(address: str, hidden: Path) -> None:
    page = asked(address, "/")[1]
    for path in PATHS:
        for file in (str(hidden).lstrip("/"), "etc/passwd", "proc/self/environ", str(ROOT / "app.py").lstrip("/")):
            status, body = asked(address, path.format(file=file))
            assert SECRET not in body and "root:" not in body and "share_processors" not in body, (path, file)
            assert status >= 300 or body == page, (path, file, status)  # Streamlit answers unknown pages with its own


def test_no_request_of_the_live_route_reads_the_host(address: str, hidden: Path) -> None:
    for query in QUERIES:
        for file in (quote(str(hidden).lstrip("/")), "etc/passwd", "proc/self/environ"):
            for route in ("frame", "roi"):
                status, body = asked(address, f"/wzroi/{route}?{query.format(file=file)}&quiet=0")
                assert SECRET not in body and "root:" not in body, (query, route)
                assert status in (400, 404), (query, route, status, body[:200])
                assert '"error"' in body and "Traceback" not in body and str(ROOT) not in body, (query, body[:300])


def test_other_methods_change_nothing(address: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        link = http.client.HTTPConnection(urlparse(address).netloc, timeout=60)
        link.request(method, "/wzroi/frame?pair=gallery:cifar-0", body=b"x")
        assert link.getresponse().status in (403, 405)
        link.close()
