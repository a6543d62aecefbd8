"""The API's answers: status, headers and body, worded as the real ones are known to be."""

from __future__ import annotations

import json
from http import HTTPStatus

import attrs

JSON = "application/json"
HTML = "text/html; charset=utf-8"

MESSAGES = {
    401: "Invalid token provided",
    403: "You do not have permission to perform this action.",
    429: "Rate limit exceeded for this resource",
}
FAILED = "Error processing the request."
INVALID_PHONE = "Phone Number & Country Code provided is invalid"
BODILESS = frozenset({204, 205, 304})  # statuses that HTTP allows no body


@attrs.frozen
class Answer:
    """One HTTP answer.

    Args:
        status: Any code from 200 to 599, official or not.
        body: The bytes as they go out.
        content_type: Empty for none.
        headers: Further headers, as (name, value).
    """

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def envelope(status: int, message: str, *, result: bool = False) -> Answer:
    """Return the API's JSON envelope; `result` is what it says of itself."""
    return Answer(status, json.dumps({"result": result, "message": message}).encode())


def user_accepted(customer_id: str) -> Answer:
    """Return the 202 of a customer; `customer_id` is the API's own id of it."""
    return envelope(202, f"Customer with {customer_id} updated successfully", result=True)


def event_accepted(event_id: str) -> Answer:
    """Return the 201 of an event; `event_id` is the API's own id of it."""
    body = {"result": True, "message": "Event created successfully", "id": event_id}
    return Answer(201, json.dumps(body).encode())


def page(status: int) -> Answer:
    """Return a web page, as gateways and unknown paths answer instead of the API."""
    title = f"{status} {phrase(status)}".rstrip()
    body = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body><h1>{title}</h1></body></html>\n"
    return Answer(status, body.encode(), HTML)


def usual(status: int, message: str | None = None) -> Answer:
    """Return what the API is known, or likely, to answer with this status: a page for 404, else the envelope."""
    if status in BODILESS or 300 <= status < 400:
        return Answer(status, content_type="")
    if status == 404 and message is None:
        return page(status)
    text = message or MESSAGES.get(status) or (FAILED if status >= 500 else correct("the request was refused"))
    return envelope(status, text)


def correct(problem: str) -> str:
    """Return the message of a 400 that names what to correct."""
    return f"Please correct the following error - {problem}"


def phrase(status: int) -> str:
    """Return the name of a status; empty for one nobody defined, such as 520."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
