"""The desk: the page at `/`, and what it asks for and is allowed to change under `/_sandbox/`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.routing import Route, Router

from . import _controls
from ._board import TooManyListenersError
from ._connection import EXTENSION
from ._faults import Fault
from ._guard import find_objection
from ._stream import stream
from ._views import counts_view, person_row, person_view, request_row, request_view

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from ._app import Office
    from ._board import Board, News
    from ._connection import Connection
    from ._records import Request

    Endpoint = Callable[[HTTPRequest], Awaitable[Response]]

PREFIX = "/_sandbox/"
FOLDER = Path(__file__).with_name("page")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES = {
    "/": FOLDER / "index.html",
    "/favicon.ico": FOLDER / "icon.svg",  # asked for by browsers, and no request of the API's
    **{f"{PREFIX}{path.name}": path for path in FOLDER.iterdir() if path.suffix in TYPES},
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
MAX_BYTES = 16 << 10  # of what a control is sent
PEOPLE = 100  # shown at once
ROWS = 200  # of requests loaded at once
MAX_SCRIPTED = 10_000  # failures that wait for their requests


class Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """Why a control was not followed.

    Args:
        status: Of the answer.
        message: For the person at the page.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Desk:
    """Serves the page beside the API.

    Args:
        api: Gets every request that is not the page's.
        host: What the sandbox was told to listen on.
        board: The journal's witness.
        office: What the API works with: the records, and the plan that the controls change.
        is_key_checked: Whether only one key is right, so that the page proposes none.
    """

    def __init__(self, api: ASGIApp, *, host: str, board: Board, office: Office, is_key_checked: bool) -> None:
        self._api = api
        self._host = host
        self._board = board
        self._journal = office.journal
        self._script = office.script
        self._is_key_checked = is_key_checked
        self._router = Router(
            [
                Route(f"{PREFIX}state", self._state),
                Route(f"{PREFIX}requests", self._requests),
                Route(f"{PREFIX}requests/{{number}}", self._request),
                Route(f"{PREFIX}people", self._people),
                Route(f"{PREFIX}people/{{number}}", self._person),
                Route(f"{PREFIX}plan", self._control(self._follow), methods=["POST"]),
                Route(f"{PREFIX}failures", self._control(self._fail), methods=["POST"]),
                Route(f"{PREFIX}clear", self._control(self._clear), methods=["POST"]),
            ],
            redirect_slashes=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path: str = scope["path"]
        connection: Connection = scope["extensions"][EXTENSION]
        is_first, connection.is_used = not connection.is_used, True
        is_file = path in FILES and scope["method"] in ("GET", "HEAD")
        if not is_file and not path.startswith(PREFIX):
            await self._api(scope, receive, send)
            return
        if is_first:
            self._journal.disown_connection()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        objection = find_objection(headers, self._host)
        if objection is not None:
            await _answer(403, {"message": objection})(scope, receive, send)
        elif is_file:
            await _file(path)(scope, receive, send)
        elif path == f"{PREFIX}events" and scope["method"] == "GET":
            await self._stream(HTTPRequest(scope), connection, scope, receive, send)
        else:
            await self._router(scope, receive, send)

    async def _stream(
        self, request: HTTPRequest, connection: Connection, scope: Scope, receive: Receive, send: Send
    ) -> None:
        cursor = request.headers.get("last-event-id") or request.query_params.get("after", "")
        try:
            await stream(self._board, self._news, cursor, connection, send)
        except TooManyListenersError:
            await _answer(503, {"message": "too many pages are open"})(scope, receive, send)

    def _news(self, news: News) -> dict[str, Any]:
        records = filter(None, map(self._journal.find, news.numbers or ()))
        return self._now(news) | {"requests": [self._row(record) for record in records]}

    def _now(self, news: News) -> dict[str, Any]:
        """Return what every event and the first look have in common."""
        return {
            "now": time.time(),
            "counts": counts_view(self._journal.counts(), news.people),
            "controls": self._controls(),
            "pulse": news.pulse,
        }

    def _controls(self) -> dict[str, Any]:
        return _controls.describe(self._script.plan) | {"failing": self._script.left()}

    def _row(self, record: Request) -> dict[str, Any]:
        return request_row(record, self._board.subject(record.body))

    async def _state(self, _: HTTPRequest) -> Response:
        news = self._board.news("", 0, 0)
        rows = [self._row(record) for record in self._journal.newest(ROWS)]
        state = {"cursor": news.cursor, "requests": rows, "is_key_checked": self._is_key_checked}
        return _answer(200, self._now(news) | state)

    async def _requests(self, request: HTTPRequest) -> Response:
        number = _number(request.query_params.get("before", ""))
        only_failed = request.query_params.get("failed") == "1"
        records = self._journal.newest(ROWS, before=number, only_failed=only_failed)
        rows = [self._row(record) for record in records]
        return _answer(200, {"requests": rows})

    async def _request(self, request: HTTPRequest) -> Response:
        record = self._journal.find(_number(request.path_params["number"]) or 0)
        if record is None:
            return _answer(404, {"message": "This request has left to make room for newer ones."})
        return _answer(200, request_view(record, self._board.subject(record.body)))

    async def _people(self, request: HTTPRequest) -> Response:
        found, total = self._board.search(request.query_params.get("search", "")[:200], PEOPLE)
        return _answer(200, {"people": [person_row(person) for person in found], "total": total})

    async def _person(self, request: HTTPRequest) -> Response:
        person = self._board.person(_number(request.path_params["number"]) or 0)
        if person is None:
            return _answer(404, {"message": "This person is not known any more."})
        return _answer(200, person_view(person, self._journal.find))

    def _control(self, follow: Callable[[dict[str, Any]], None]) -> Endpoint:
        """Return the endpoint of a control: it answers what is in force afterwards, or why a wish is not granted."""

        async def serve(request: HTTPRequest) -> Response:
            try:
                follow(await _read(request))
            except Refusal as refusal:
                return _answer(refusal.status, {"message": refusal.message})
            except ValueError as error:
                return _answer(400, {"message": str(error)})
            self._board.ring()
            return _answer(200, self._controls())

        return serve

    def _follow(self, wishes: dict[str, Any]) -> None:
        self._script.adjust(lambda plan: _controls.changed(plan, wishes))

    def _fail(self, wishes: dict[str, Any]) -> None:
        requests, status = _controls.failures(wishes)
        if self._script.left() + requests > MAX_SCRIPTED:
            raise ValueError(f"more than {MAX_SCRIPTED} failures would wait for their requests")
        self._script.append([Fault(status=status)] * requests, None)

    def _clear(self, _: dict[str, Any]) -> None:
        self._script.clear()
        self._journal.clear()


def _number(text: str) -> int | None:
    """Return the number of a record or a person; None for what is no such number."""
    return int(text) if text.isdecimal() and len(text) < 16 else None


async def _read(request: HTTPRequest) -> dict[str, Any]:
    """Return the JSON object that a control is sent.

    Raises:
        Refusal: It is none, or too large. A form of another web site can send no `application/json`.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "a control takes application/json")
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BYTES:
            raise Refusal(413, f"a control takes at most {MAX_BYTES} bytes")
    try:
        wishes = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refusal(400, "a control takes a JSON object") from None
    if not isinstance(wishes, dict):
        raise Refusal(400, "a control takes a JSON object")
    return wishes


def _answer(status: int, data: dict[str, Any]) -> Response:
    body = json.dumps(data, ensure_ascii=False).encode(errors="replace")
    return Response(body, status, HEADERS | {"Cache-Control": "no-store"}, "application/json")


def _file(path: str) -> Response:
    file = FILES[path]
    return Response(file.read_bytes(), 200, HEADERS | {"Cache-Control": "no-cache", "Content-Type": TYPES[file.suffix]})
