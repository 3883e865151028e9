"""The explorer's own routes: stateless, bounded, read-only.

``GET {base}/wzroi/frame?pair=&models=&snr=&channel=&roi=&seed=&rate=&seq=`` answers one setting of the controls with
JSON: numbers, and a PNG sheet of pictures at native size. ``rate`` is 1/rho of flexible networks. ``GET
{base}/wzroi/roi`` takes the same, one network and a painted ``roi``, and answers with the map of every origin. ``seq``
is returned, so that a page never shows an outdated response.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from explorer import lazy_import

WAYS = ("frame", "roi")


def endpoint(way: str) -> Callable[[Request], Response]:
    """Responds in the server's thread pool, so that the page stays responsive."""

    def answer(request: Request) -> Response:
        response: Response = lazy_import.load("explorer.server.api").respond(request, way)
        return response

    return answer


def routes(base: str = "") -> list[Route]:
    """The routes below a base path such as ``explorer`` (Streamlit's ``server.baseUrlPath``)."""
    prefix = f"/{base.strip('/')}" if base.strip("/") else ""
    return [Route(f"{prefix}/wzroi/{way}", endpoint(way), methods=["GET"]) for way in WAYS]
