"""MLflow's scoring server, with every encounter checked before it gets there.

MLflow answers a failed prediction with the whole request in the message. Patient text must not
travel in an error, so bad input is refused in front of it, in one line.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import mlflow
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from mlflow.pyfunc import scoring_server

from surecode.bundle.seal import verify
from surecode.data.table import check_encounters
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.registry.models import fetch_bundle, quiet
from surecode.verb_settings import ServeConfig

MODEL = "SURECODE_SERVED_MODEL"
LIMIT = "SURECODE_MAXIMUM_CHARACTERS"
FORMAT = 'POST {"inputs": [ENCOUNTER, ...]} as application/json; docs/data.md lists the fields'


def serve(config: ServeConfig, uri: str) -> None:
    """Serve until interrupted.

    Raises:
        InputError: the port is taken, there is no such model, or it is damaged.
    """
    _check_port(config.host, config.port)
    verify(fetch_bundle(uri))
    os.environ[MODEL] = uri
    os.environ[LIMIT] = str(config.maximum_characters)
    uvicorn.run(
        "surecode.registry.server:app",
        factory=True,
        host=config.host,
        port=config.port,
        workers=config.workers,
        access_log=False,
    )


def app() -> FastAPI:
    """One worker's application: MLflow's, behind the check."""
    with quiet():
        served: FastAPI = scoring_server.init(mlflow.pyfunc.load_model(os.environ[MODEL]))
    guard(served, int(os.environ[LIMIT]))
    return served


def guard(served: FastAPI, maximum_characters: int) -> None:
    """Answer HTTP 400 and one line where a request holds no valid encounters."""

    @served.middleware("http")
    async def check(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        if request.url.path == "/invocations":
            try:
                check_request(
                    await request.body(),
                    request.headers.get("content-type", ""),
                    maximum_characters,
                )
            except InputError as error:
                content = {"error_code": "BAD_REQUEST", "message": str(error)}
                return JSONResponse(content, status_code=400)
        return await call_next(request)


def check_request(body: bytes, content_type: str, maximum_characters: int) -> None:
    """Raise `InputError` unless the body is a list of valid encounters under ``inputs``."""
    if content_type.split(";")[0].strip() != "application/json":
        raise InputError(f"request: the content type is not application/json; {FORMAT}")
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise InputError(f"request: the body is not JSON in UTF-8; {FORMAT}") from None
    rows = content.get("inputs") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(r, dict) for r in rows):
        raise InputError(f"request: no list of encounters under inputs; {FORMAT}")
    check_encounters(
        [Encounter.from_dict(row) for row in rows], maximum_characters=maximum_characters
    )


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            reason = "is in use" if taken else f"cannot be opened ({error.strerror})"
            raise InputError(
                f"port {port} of {host} {reason}; choose another with port=N"
            ) from None
