"""What the page is told of requests and people: plain values for JSON, none of them longer than a screen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from ._lines import lines_of
from ._people import identifiers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._person import Entry, Person
    from ._records import Counts, Request

MAX_TEXT = 300  # characters of a value outside of a body
MAX_ENTRIES = 100  # of a timeline
MAX_TRAITS = 200  # of a person
MAX_ENTRY_TRAITS = 12


def request_row(request: Request, person: Person | None) -> dict[str, Any]:
    """Return a request as the list of all has it.

    `outcome` is `"pending"`, `"accepted"`, `"refused"` (for what it was) or `"failed"` (by a fault).
    """
    body = request.body or {}
    event = body.get("event")
    return {
        "number": request.number,
        "arrived": request.arrived,
        "seconds": None if request.finished is None else request.finished - request.started,
        "method": cut(request.method),
        "path": cut(request.path),
        "kind": request.kind,
        "status": None if request.finished is None else request.status,
        "outcome": _outcome(request),
        "received": request.received,
        "reason": cut(_reason(request)),
        "event": cut(event) if isinstance(event, str) else "",
        "about": cut(person.name if person else _first_identifier(body)),
        "person": person.number if person else None,
    }


def request_view(request: Request, person: Person | None) -> dict[str, Any]:
    """Return everything of a request: its row, and what is wrong, its headers, and its body line by line."""
    lines = None if request.body is None else lines_of(request.body, [problem.pointer for problem in request.problems])
    return request_row(request, person) | {
        "problems": [attrs.asdict(problem) for problem in request.problems],
        "fault": request.fault,
        "is_abandoned": request.is_abandoned,
        "connection": request.connection,
        "headers": [[cut(name), cut(value)] for name, value in request.headers.items()],
        "size": request.size,
        "lines": None if lines is None else [list(attrs.astuple(line)) for line in lines],
        "excerpt": request.excerpt,
    }


def person_row(person: Person) -> dict[str, Any]:
    """Return a person as the list of all has them."""
    last = person.timeline[-1]
    return {
        "number": person.number,
        "name": cut(person.name),
        "user_id": cut(next(reversed(person.user_ids), "")),
        "phone": cut(next(reversed(person.phones), "")),
        "last": last.name or "Identified",
        "last_seen": person.last_seen,
        "events": person.events,
    }


def person_view(person: Person, find: Callable[[int], Request | None]) -> dict[str, Any]:
    """Return everything of a person.

    Args:
        person: As the API would hold them.
        find: Returns the record of a request, or None when it is not kept any more.
    """
    traits = list(person.traits.items())[-MAX_TRAITS:]
    return person_row(person) | {
        "user_ids": [cut(text) for text in person.user_ids],
        "phones": [cut(text) for text in person.phones],
        "traits": [[cut(name), *_value(held.value), held.number] for name, held in traits],
        "left_out": len(person.traits) - len(traits),
        "tags": [cut(tag) for tag in person.tags][-MAX_TRAITS:],
        "created_at": cut(person.created_at),
        "in_sales_cycle": person.in_sales_cycle,
        "first_seen": person.first_seen,
        "identifies": person.identifies,
        "timeline": [_entry(entry, find) for entry in list(person.timeline)[: -MAX_ENTRIES - 1 : -1]],
        "messages": person.identifies + person.events,
    }


def counts_view(counts: Counts, people: int) -> dict[str, int]:
    """Return the counters; `refused` also counts what was not answered."""
    return {
        "requests": counts.requests,
        "accepted": counts.users + counts.events,
        "refused": counts.refused + counts.unanswered,
        "people": people,
        "events": counts.events,
    }


def cut(text: str) -> str:
    """Return a text that is not longer than can be looked at."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _entry(entry: Entry, find: Callable[[int], Request | None]) -> dict[str, Any]:
    request = find(entry.number)
    traits = list(((request.body or {}).get("traits") or {}).items()) if request else []
    return {
        "number": entry.number,
        "kind": entry.kind,
        "name": entry.name,
        "arrived": entry.arrived,
        "created_at": cut(entry.created_at),
        "is_kept": request is not None,
        "tags": [cut(tag) for tag in ((request.body or {}).get("tags") or ())][:MAX_ENTRY_TRAITS] if request else [],
        "traits": [[cut(name), *_value(value)] for name, value in traits[:MAX_ENTRY_TRAITS]],
        "left_out": max(0, len(traits) - MAX_ENTRY_TRAITS),
    }


def _value(value: Any) -> tuple[str, str]:
    """Return a value as text, and of which kind it is; written here, as a browser would round long numbers."""
    if isinstance(value, str):
        return cut(value), "string"
    text = cut(json.dumps(value, ensure_ascii=False))
    if isinstance(value, dict | list):
        return text, "structure"
    return text, "word" if value is None or isinstance(value, bool) else "number"


def _outcome(request: Request) -> str:
    if request.finished is None:
        return "pending"
    if request.problems:
        return "refused"
    if request.is_success and request.received:
        return "accepted"
    return "failed"


def _reason(request: Request) -> str:
    """Return why it failed, in words; empty when it did not."""
    if request.reason is not None and not request.reason.startswith("fault: "):
        return request.reason
    if request.fault == "rate-limit":
        return "more requests than the plan allows"
    if request.fault is not None:
        return f"the sandbox was told to fail: {request.fault}"
    return ""


def _first_identifier(body: dict[str, Any]) -> str:
    return next((text for _, text in identifiers(body)), "")
