"""Certified metrics over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import logging
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
import pyarrow.ipc
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPBearer
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.certification import NotCertified
from voice_ai_analytics.metrics.query import MetricQuery, csv_of, plain
from voice_ai_analytics.reader import TimedOut, Unavailable
from voice_ai_analytics.serving import page
from voice_ai_analytics.serving.service import MetricService, build_of

if TYPE_CHECKING:
    import uvicorn

KEYS = "VOICE_AI_API_KEYS"
SHORTEST_KEY = 16
LARGEST_BODY = 256 * 1024
# Anyone can ask for any path, and each request is a line of the log.
LONGEST_PATH = 200
BUILD_HEADER = "X-Voice-AI-Build"
DESCRIPTION = """\
Certified metrics of conversational-AI sessions. Every number equals that of `mf query`.
"""
UNSUPPRESSED = """\
Cohorts are not suppressed here: keys are for analysts, exported tables for everyone else.
"""
SUPPRESSED = """\
Groups of fewer than {} users are hidden, and so are groups that differ from one that you were told
about by fewer users: is_suppressed is true and the numbers are null.
"""
BEARER = HTTPBearer(auto_error=False, description=f"One of the keys in {KEYS}.")
requests = logging.getLogger("voice_ai.requests")


class Format(StrEnum):
    """How an answer is written."""

    json = "json"
    csv = "csv"
    arrow = "arrow"


MEDIA = {
    Format.csv: "text/csv; charset=utf-8",
    Format.arrow: "application/vnd.apache.arrow.stream",
}


def api_keys(text: str | None) -> dict[bytes, str]:
    """Read API keys from the environment variable ``VOICE_AI_API_KEYS``.

    Parameters
    ----------
    text : str or None
        ``name=key`` pairs, separated by commas: ``dashboard=…,notebook=…``. The name is logged, the
        key never. Removing a key revokes it when the server restarts.

    Returns
    -------
    dict of bytes to str
        Names by SHA-256 of the key; the keys themselves are not kept.

    Raises
    ------
    UserError
        If there is no key, or one is too short to be a secret.
    """
    pairs = [pair.strip().partition("=") for pair in (text or "").split(",") if pair.strip()]
    if not pairs:
        raise UserError(
            f"{KEYS} is not set: give each client a key, {KEYS}=name=key,other=key; a good one is"
            " made by `openssl rand -hex 24`"
        )
    keys = {}
    for name, _, key in pairs:
        if not name or len(key) < SHORTEST_KEY:
            raise UserError(
                f"{KEYS}: the key of {name or 'a client without a name'} has fewer than"
                f" {SHORTEST_KEY} characters; write name=key"
            )
        keys[_digest(key)] = name
    return keys


def create_app(service: MetricService, keys: dict[bytes, str]) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    service : MetricService
        Answers the questions.
    keys : dict of bytes to str
        From `api_keys`.

    Returns
    -------
    fastapi.FastAPI
        With a page that describes it at ``/docs``.
    """
    # FastAPI's own pages load scripts from elsewhere.
    app = FastAPI(
        title="VoiceAI metrics",
        version="1",
        description=DESCRIPTION
        + (SUPPRESSED.format(service.suppression.minimum) if service.suppression else UNSUPPRESSED),
        docs_url=None,
        redoc_url=None,
    )
    # A thread of its own: all others may be waiting for the warehouse.
    for_health = ThreadPoolExecutor(1, "health")

    app.add_exception_handler(UserError, _told)
    app.add_exception_handler(RequestValidationError, _told_of_request)
    app.add_exception_handler(ValidationError, _told_of_request)
    app.add_middleware(_Guard, keys=keys)
    app.middleware("http")(_logged)
    # For the OpenAPI page; by then the guard has checked the key.
    v1 = {"dependencies": [Depends(BEARER)]}

    @app.get("/health", tags=["service"])
    async def health() -> JSONResponse:
        """Return whether the service can answer; needs no key and shows no data."""
        state = await asyncio.get_running_loop().run_in_executor(for_health, service.health)
        return JSONResponse(state, 200 if state["status"] == "ok" else 503)

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        told = page.description_page(app.openapi(), str(request.base_url))
        return HTMLResponse(told, headers=page.HEADERS)

    @app.get("/v1/metrics", tags=["metrics"], **v1)
    def metrics() -> list[dict]:
        """List the metrics."""
        return service.metrics()

    @app.get("/v1/dimensions", tags=["metrics"], **v1)
    def dimensions(metric: Annotated[list[str] | None, Query()] = None) -> list[dict]:
        """List what metrics can be grouped and filtered by: all of those given, or any."""
        return service.dimensions(tuple(metric or ()))

    @app.get("/v1/dimensions/{dimension}/values", tags=["metrics"], **v1)
    def values(
        request: Request, dimension: str, metric: Annotated[list[str], Query(min_length=1)]
    ) -> list:
        """List the values of a dimension among what metrics count, null last."""
        return service.dimension_values(dimension, tuple(metric), request.state.client)

    @app.post("/v1/query", tags=["metrics"], **v1)
    def query(
        request: Request,
        question: MetricQuery,
        format: Annotated[Format, Query(description="How the answer is written.")] = Format.json,
    ) -> Response:
        """Answer a question: rows as JSON, CSV or an Arrow stream."""
        request.state.question = question
        answer = service.query(question, request.state.client)
        request.state.rows = answer.num_rows
        if format is Format.json:
            columns, rows = answer.column_names, plain(answer)
            return JSONResponse({"build": build_of(answer), "columns": columns, "rows": rows})
        headers = {BUILD_HEADER: build_of(answer)["build_id"]}
        return Response(WRITERS[format](answer), media_type=MEDIA[format], headers=headers)

    @app.post("/v1/explain", tags=["metrics"], **v1)
    def explain(request: Request, question: MetricQuery) -> dict[str, str]:
        """Return the SQL of a question."""
        request.state.question = question
        return {"sql": service.explain(question)}

    return app


def serve(service: MetricService, host: str, port: int) -> None:
    """Serve until told to stop.

    Parameters
    ----------
    service : MetricService
        Answers the questions.
    host, port
        The address to listen on.

    Raises
    ------
    UserError
        If there is no API key.
    """
    app = create_app(service, api_keys(os.environ.get(KEYS)))
    # Other libraries have set up the root logger by now, with a prefix on each line.
    requests.addHandler(logging.StreamHandler())
    requests.setLevel(logging.INFO)
    requests.propagate = False
    server(app, host, port, service.limits.seconds).run()


def server(app: ASGIApp, host: str, port: int, seconds: float) -> uvicorn.Server:
    """Return uvicorn with limits that it doesn't have by itself: see `ImpatientProtocol`.

    Parameters
    ----------
    app : ASGIApp
        From `create_app`.
    host, port
        The address to listen on.
    seconds : float
        The longest time for requests at work when the server is told to stop.
    """
    import uvicorn

    from voice_ai_analytics.serving.connections import (
        BACKLOG,
        LONGEST_HEADERS,
        ImpatientProtocol,
    )

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=ImpatientProtocol,
        ws="none",
        backlog=BACKLOG,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
        timeout_graceful_shutdown=math.ceil(seconds),
        # A warning is a line for each request that isn't HTTP, and anyone can send those.
        log_level="error",
        access_log=False,
        server_header=False,
    )
    return uvicorn.Server(config)


class _Guard:
    """Check a request's key before anything reads its body, and the body's size."""

    def __init__(self, app: ASGIApp, keys: dict[bytes, str]) -> None:
        self.app = app
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        client = self._client(Headers(scope=scope).get("authorization", ""))
        if client is None:
            told = "send `Authorization: Bearer <key>`; this key is missing, unknown or revoked"
            refused = JSONResponse({"detail": told}, 401, {"WWW-Authenticate": "Bearer"})
            await refused(scope, receive, send)
            return
        scope.setdefault("state", {})["client"] = client
        size = 0

        async def receive_little() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > LARGEST_BODY:
                raise HTTPException(413, f"the question is longer than {LARGEST_BODY:,} bytes")
            return message

        await self.app(scope, receive_little, send)

    def _client(self, authorization: str) -> str | None:
        scheme, _, key = authorization.partition(" ")
        digest = _digest(key.strip()) if scheme.lower() == "bearer" else b""
        for known, name in self.keys.items():
            if hmac.compare_digest(known, digest):
                return name
        return None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _told(request: Request, error: UserError) -> JSONResponse:
    later = isinstance(error, Unavailable | NotCertified)
    status = 504 if isinstance(error, TimedOut) else 503 if later else 422
    headers = {"Retry-After": "5"} if status == 503 else None
    return JSONResponse({"detail": str(error)}, status, headers)


def _told_of_request(
    request: Request, error: RequestValidationError | ValidationError
) -> JSONResponse:
    """Name each field and what is wrong with it, without repeating what was sent."""
    told = "; ".join(
        f"{'.'.join(map(str, one['loc'])).removeprefix('body.')}: {one['msg']}"
        for one in error.errors()
    )
    return JSONResponse({"detail": told}, 422)


async def _logged(request: Request, call: Callable) -> Response:
    """Log who asked what and how long it took, without values of filters or answers."""
    start, status, fault = time.perf_counter(), 500, None
    try:
        response = await call(request)
        status = response.status_code
        return response
    except Exception as error:
        # The message may hold a value.
        fault = type(error).__name__
        return JSONResponse({"detail": "the service failed at this; its log says how"}, 500)
    finally:
        state = request.state
        question = getattr(state, "question", None)
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "client": getattr(state, "client", None),
            "request": f"{request.method} {request.scope['path']}"[:LONGEST_PATH],
            "metrics": question and question.metrics,
            "group_by": question and question.group_by,
            "status": status,
            "fault": fault,
            "rows": getattr(state, "rows", None),
            "ms": round(1000 * (time.perf_counter() - start), 1),
        }
        requests.info(
            json.dumps({name: value for name, value in entry.items() if value is not None})
        )


def _arrow(table: pa.Table) -> bytes:
    target = io.BytesIO()
    with pyarrow.ipc.new_stream(target, table.schema) as writer:
        writer.write_table(table)
    return target.getvalue()


WRITERS = {Format.csv: csv_of, Format.arrow: _arrow}
