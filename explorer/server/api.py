"""The responses of the explorer's routes (``explorer/server/routes.py``): a request's query to JSON.

An error is a sentence in ``error`` with a suitable status, or with status 200 under ``quiet=1``: a browser logs every
other status to its console, which is unnecessary for a page that displays the sentence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from explorer.compute.engine import ENGINE, BusyError, Engine, Request, RequestError, frame_json
from explorer.compute.pair_sources import SourceError
from explorer.compute.roi_comparison import compare, comparison_json
from wzroi.data import DataError
from zoo.errors import ZooError
from zoo.rates import parse_rate

MAX_QUERY = 2000
_LOGGER = logging.getLogger("wzroi.explorer")


def request_of(query: dict[str, str]) -> Request:
    """The request in a query string; raises RequestError naming the first invalid value."""
    try:
        snr = float(query.get("snr", "5"))
    except ValueError as error:
        raise RequestError(f"snr must be a number of dB, not {query['snr'][:40]!r}") from error
    seed = query.get("seed", "0")
    if not seed.isdecimal() or len(seed) > 10:
        raise RequestError(f"seed must be a whole number from 0, not {seed[:40]!r}")
    try:
        rate = parse_rate(query.get("rate", "16"))
    except ValueError as error:
        raise RequestError(str(error)) from error
    models = tuple(name for name in query.get("models", "").split(",") if name)
    names = {key: query[key] for key in ("channel", "roi") if key in query}
    return Request(query.get("pair", "gallery:cifar-0"), models, snr, seed=int(seed), rate=rate, **names).checked()


def _sequence(query: dict[str, str]) -> int:
    text = query.get("seq", "0")
    return int(text) if text.isdecimal() and len(text) < 12 else 0


def frame(request: Request, engine: Engine) -> dict[str, object]:
    """The response for the Compare page."""
    return frame_json(engine.frame(request))


def roi_maps(request: Request, engine: Engine) -> dict[str, object]:
    """The response for the Region of interest page."""
    return comparison_json(compare(request, engine))


def answer(
    query: dict[str, str], engine: Engine = ENGINE, compute: Callable[[Request, Engine], dict[str, object]] = frame
) -> tuple[int, dict[str, object]]:
    """Status and JSON body of a request; every error is a sentence."""
    sequence = _sequence(query)
    try:
        return 200, {"seq": sequence, **compute(request_of(query), engine)}
    except (RequestError, SourceError, ZooError) as error:
        return 400, {"seq": sequence, "error": str(error)}
    except DataError as error:
        return 404, {"seq": sequence, "error": str(error)}
    except BusyError as error:
        return 503, {"seq": sequence, "error": str(error), "retry": True}
    except Exception:
        _LOGGER.exception("a frame failed")
        return 500, {"seq": sequence, "error": "this frame could not be computed: change a control, or reload the page"}


COMPUTED = {"frame": frame, "roi": roi_maps}
"""Route -> the function that computes its response."""


def respond(request: HttpRequest, way: str) -> Response:
    """Answer a request to the route ``way`` of ``COMPUTED``."""
    if len(request.url.query) > MAX_QUERY:
        return JSONResponse({"seq": 0, "error": "this request is too long: choose fewer variants"}, 414)
    query = dict(request.query_params)
    status, body = answer(query, compute=COMPUTED[way])
    if query.get("quiet") == "1":
        status = 200
    return JSONResponse(body, status, headers={"Cache-Control": "no-store"})
