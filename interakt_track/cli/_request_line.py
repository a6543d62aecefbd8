"""One line for one request that reached the sandbox: when, what, about whom (masked), and why it was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from ._screen import printable

if TYPE_CHECKING:
    from datetime import datetime

    from interakt_track.sandbox import Request

WIDTH = len("POST /v1/public/track/events/")  # so that what follows stands in a column


def request_line(request: Request, time: datetime) -> Text:
    """Return the line.

    Args:
        request: As the sandbox recorded it.
        time: When it is shown.
    """
    colour = _colour(request)
    line = Text()
    line.append(time.strftime("%H:%M:%S"), style="dim")
    line.append(f"  {request.status or '---'}", style=colour)
    line.append(f"  {printable(f'{request.method} {request.path}'):{WIDTH}}")
    if request.body is not None:
        line.append(f"  {masked_identity(request.body)}", style="cyan")
        if isinstance(request.body.get("event"), str):
            line.append(f"  {printable(request.body['event'])}")
    for note in _notes(request):
        line.append(f"  {printable(note)}", style=colour)
    return line


def masked_identity(body: dict[str, Any]) -> str:
    """Return whom a body is about, as the SDK's log writes it: enough to tell two people apart, and no more."""
    shown = []
    if "userId" in body:
        shown.append(f"user_id={_masked(body['userId'])}")
    if "phoneNumber" in body:
        shown.append(f"phone={printable(str(body.get('countryCode', '')))}{_masked(body['phoneNumber'])}")
    if "fullPhoneNumber" in body:
        shown.append(f"phone={_masked(body['fullPhoneNumber'])}")
    return " ".join(shown) or "nobody"


def _masked(value: object) -> str:
    text = str(value)
    return f"***{text[-2:]}" if len(text) >= 8 and text[-2:].isalnum() else "***"


def _colour(request: Request) -> str:
    if request.status is not None and 200 <= request.status < 300 and request.received:
        return "green"
    return "yellow" if request.fault is not None else "red"


def _notes(request: Request) -> list[str]:
    notes = []
    if request.reason is not None and not request.reason.startswith("fault: "):
        notes.append(f"refused: {request.reason}")
    if request.fault is not None:
        notes.append(f"fault: {request.fault}")
    if request.is_abandoned:
        notes.append("the client left before its answer")
    return notes
