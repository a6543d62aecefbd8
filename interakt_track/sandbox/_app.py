"""The API over ASGI: reads a request, records it, and lets it meet its answer or its fault."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import attrs
from starlette.routing import Route, Router

from ._connection import EXTENSION
from ._judge import MAX_BYTES
from ._keys import mask_authorization
from ._records import Request
from ._reply import reply
from ._script import Fate

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ._connection import Connection
    from ._contract import Contract
    from ._faults import Fault
    from ._judge import Judge, Verdict
    from ._records import Journal, Kind
    from ._script import Script

MAX_EXCERPT = 4 << 10  # bytes of a body that is no JSON object
MAX_DISCARDED = 64 * MAX_BYTES  # of a body too large: read on so that the client can read its answer, but not for ever
USUAL = Fate(None, 0.0)


@attrs.frozen(kw_only=True)
class Office:
    """What all endpoints of one sandbox work with."""

    judge: Judge
    journal: Journal
    script: Script
    numbers: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1))


@attrs.frozen
class _Body:
    """A request's body as far as it was read: `raw` is at most what the API accepts, `problem` why it is not all."""

    raw: bytes = b""
    size: int = 0
    problem: str | None = None


def build_app(contract: Contract, office: Office) -> Router:
    """Return the ASGI app: an endpoint for each path of the contract, and a 404 page for all others."""
    routes = [Route(path, Endpoint(kind, office)) for path, kind in contract.paths.items()]
    return Router(routes, redirect_slashes=False, default=Endpoint(None, office))


class Endpoint:
    """Answers the requests to one path.

    Args:
        kind: What is sent there; None for the paths the API does not have, where no fault happens either.
        office: Shared with the other endpoints.
    """

    def __init__(self, kind: Kind | None, office: Office) -> None:
        self._kind: Kind | None = kind
        self._office = office

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started = time.monotonic()
        connection: Connection = scope["extensions"][EXTENSION]
        fate = self._early_fate(started)
        is_cut_early = fate is not None and fate.fault is not None and fate.fault.ending == "reset-early"
        body = _Body() if is_cut_early else await _read(receive)
        verdict, request = self._judge(scope, body, connection.number, started)
        if body.problem is not None:
            self._record_broken(request, body.problem)
            await connection.reset()
            return
        if fate is None:
            fate = self._office.script.decide(started, request)
        if fate.fault is not None:
            request = _under(fate.fault, verdict, request)
        self._office.journal.add(request)

        def finish(is_abandoned: bool) -> None:
            self._office.journal.finish(request, time.monotonic(), is_abandoned=is_abandoned)

        await reply(verdict.answer, fate, connection, send, finish)

    def _early_fate(self, now: float) -> Fate | None:
        """Return what happens to the request, or None if its body has to be known first."""
        if self._kind is None:
            return USUAL
        return self._office.script.decide(now) if self._office.script.decides_early() else None

    def _judge(self, scope: Scope, body: _Body, connection: int, started: float) -> tuple[Verdict, Request]:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method: str = scope["method"]
        verdict = self._office.judge.judge(self._kind, method, headers, body.raw, body.size)
        if "authorization" in headers:
            headers["authorization"] = mask_authorization(headers["authorization"])
        request = Request(
            number=next(self._office.numbers),
            method=method,
            path=scope["path"],
            kind=self._kind,
            body=verdict.body,
            size=body.size,
            status=verdict.answer.status,
            reason=verdict.reason,
            received=verdict.is_accepted,
            headers=headers,
            key_is_valid=verdict.credentials.problem is None,
            key_digest=verdict.credentials.key_digest,
            connection=connection,
            started=started,
            problems=verdict.problems,
            excerpt="" if verdict.body is not None else body.raw[:MAX_EXCERPT].decode(errors="replace"),
        )
        return verdict, request

    def _record_broken(self, request: Request, problem: str) -> None:
        request = attrs.evolve(request, status=None, reason=f"body: {problem}", received=False)
        self._office.journal.add(request)
        self._office.journal.finish(request, time.monotonic(), is_abandoned=True)


def _under(fault: Fault, verdict: Verdict, request: Request) -> Request:
    """Return the record of a request that meets a fault."""
    return attrs.evolve(
        request,
        status=fault.answer(verdict.answer).status if fault.is_answer else None,
        reason=verdict.reason or (None if fault.is_received else f"fault: {fault.name}"),
        received=verdict.is_accepted and fault.is_received,
        fault=fault.name,
    )


async def _read(receive: Receive) -> _Body:
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return _Body(size=size, problem="the connection ended before all of it had come")
        size += len(event["body"])
        if size <= MAX_BYTES:
            chunks.append(event["body"])
        if not event["more_body"]:
            return _Body(b"".join(chunks), size)
        if size > MAX_DISCARDED:
            return _Body(size=size, problem=f"it goes on beyond {MAX_DISCARDED} bytes")
