"""What can go wrong with one request: each fault as a value, and the catalogue of the usual ones by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import attrs

from . import _answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._answers import Answer

Ending = Literal["answer", "truncate", "close", "reset", "reset-early"]
ENDINGS = ("answer", "truncate", "close", "reset", "reset-early")
HANG = 3600.0  # seconds; longer than any client's patience


def _name(fault: Fault) -> str:
    if fault.raw is not None:
        return "raw"
    if fault.ending != "answer":
        return fault.ending
    return str(fault.status) if fault.status is not None else "fault"


@attrs.frozen(kw_only=True)
class Fault:
    """What happens to one request instead of, or beside, the usual answer.

    A message the API would accept counts as received when the answer is, or would have been, a 2xx; `received` says
    otherwise where what the client sees and what the API did differ. A request the API would refuse meets its refusal
    under a fault that answers 2xx.

    Args:
        name: How records call it.
        status: Answer with this instead of the usual status.
        message: The envelope's text instead of the usual one of that status.
        body: Bytes instead of the usual body.
        content_type: Of that body; empty for none.
        headers: Further headers, as (name, value).
        retry_after: Value of a Retry-After header.
        raw: Bytes written instead of any HTTP answer, then the connection is closed.
        latency: Seconds between the request and its answer or end.
        byte_delay: Seconds before each byte of the body, or of `raw`.
        ending: `"answer"`; `"truncate"`: half of the body, then close; `"close"`: close without a byte; `"reset"`: a
            TCP reset once the request was read; `"reset-early"`: one as soon as its head has arrived.
        received: Whether a message the API would accept counts as received; None leaves it to the answer.
    """

    status: int | None = None
    message: str | None = None
    body: bytes | None = None
    content_type: str = _answers.JSON
    headers: tuple[tuple[str, str], ...] = ()
    retry_after: int | str | None = None
    raw: bytes | None = None
    latency: float = 0.0
    byte_delay: float = 0.0
    ending: Ending = attrs.field(default="answer", validator=attrs.validators.in_(ENDINGS))
    received: bool | None = None
    name: str = attrs.field(default=attrs.Factory(_name, takes_self=True))  # last, as it looks at the others

    def __attrs_post_init__(self) -> None:
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError(f"a fault's status must be from 200 to 599, not {self.status}")
        if self.ending == "reset-early" and self.received:
            raise ValueError("a message cannot count as received when its request was never read")

    @property
    def is_answer(self) -> bool:
        """Whether the client gets to see a status at all."""
        return self.raw is None and self.ending in {"answer", "truncate"}

    @property
    def is_received(self) -> bool:
        """Whether a message the API would accept counts as received."""
        if self.received is not None:
            return self.received
        return self.is_answer and (self.status is None or 200 <= self.status < 300)

    def answer(self, usual: Answer) -> Answer:
        """Return what goes out in place of what the API would answer."""
        answer = usual
        if self.status is not None and 200 <= self.status < 300:
            if usual.status >= 300:
                return usual
            answer = attrs.evolve(usual, status=self.status)
        elif self.status is not None:
            answer = _answers.usual(self.status, self.message)
        if self.body is not None and (self.status is not None or usual.status < 300):
            answer = attrs.evolve(answer, body=self.body, content_type=self.content_type)
        headers = self.headers
        if self.retry_after is not None:
            headers = (*headers, ("Retry-After", str(self.retry_after)))
        return attrs.evolve(answer, headers=(*answer.headers, *headers))

    @classmethod
    def reset(cls, *, received: bool = False, early: bool = False) -> Fault:
        """Return a TCP reset; `early` before the body is read, else after it."""
        name = "reset-received" if received else "reset-early" if early else "reset"
        return cls(name=name, ending="reset-early" if early else "reset", received=received)

    @classmethod
    def close(cls, *, received: bool = False) -> Fault:
        """Return an orderly end of the connection without an answer."""
        return cls(name="close-received" if received else "close", ending="close", received=received)

    @classmethod
    def hang(cls, *, received: bool = False) -> Fault:
        """Return no answer at all, for as long as the client waits."""
        return cls(name="hang-received" if received else "hang", latency=HANG, ending="close", received=received)

    @classmethod
    def truncate(cls, status: int | None = None) -> Fault:
        """Return half of the answer's body, then the end of the connection."""
        return cls(name=_named("truncate", status), status=status, ending="truncate")

    @classmethod
    def slow(cls, byte_delay: float = 0.05, status: int | None = None) -> Fault:
        """Return the answer's body a byte at a time."""
        return cls(name=_named("slow", status), status=status, byte_delay=byte_delay)

    @classmethod
    def slow_head(cls, byte_delay: float = 0.05) -> Fault:
        """Return an answer whose status line and headers come a byte at a time."""
        raw = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        return cls(name="slow-head", raw=raw, byte_delay=byte_delay, received=True)

    @classmethod
    def not_http(cls) -> Fault:
        """Return bytes that are no HTTP."""
        return cls(name="not-http", raw=b"\x00\xff 220 this is no web server\r\n")

    @classmethod
    def html(cls, status: int | None = None) -> Fault:
        """Return a web page instead of JSON."""
        return cls(
            name=_named("html", status),
            status=status,
            body=_answers.page(status or 200).body,
            content_type=_answers.HTML,
        )

    @classmethod
    def garbage(cls, status: int | None = None) -> Fault:
        """Return bytes that are neither JSON nor text, said to be JSON."""
        return cls(name=_named("garbage", status), status=status, body=bytes(range(256)))

    @classmethod
    def broken_json(cls, status: int | None = None) -> Fault:
        """Return JSON that ends too early."""
        return cls(name=_named("broken-json", status), status=status, body=b'{"result": true, "mess')

    @classmethod
    def json_list(cls, status: int | None = None) -> Fault:
        """Return a JSON list where an object belongs."""
        return cls(
            name=_named("json-list", status), status=status, body=json.dumps([{"result": True}, "a message"]).encode()
        )

    @classmethod
    def empty(cls, status: int | None = None) -> Fault:
        """Return no body."""
        return cls(name=_named("empty", status), status=status, body=b"", content_type="")

    @classmethod
    def bad_gzip(cls, status: int | None = None) -> Fault:
        """Return a body that says it is gzip, and is not."""
        return cls(
            name=_named("bad-gzip", status),
            status=status,
            body=b"not gzip at all",
            headers=(("Content-Encoding", "gzip"),),
        )

    @classmethod
    def false_result(cls, status: int | None = None) -> Fault:
        """Return a 2xx whose body says `"result": false`; the message does not count as received."""
        body = _answers.envelope(200, _answers.FAILED).body
        return cls(name=_named("false-result", status), status=status, body=body, received=False)

    @classmethod
    def redirect(cls, location: str = "/elsewhere/", status: int = 307) -> Fault:
        """Return a redirect; a request that follows it within the sandbox is recorded under its own path."""
        return cls(name="redirect", status=status, headers=(("Location", location),))


def _named(name: str, status: int | None) -> str:
    return name if status is None else f"{name}-{status}"


PLAIN: Mapping[str, tuple[Fault, ...]] = {
    "5xx": tuple(Fault(status=status) for status in (500, 502, 503, 504)),
    "html": (Fault.html(502), Fault.html(504)),
    "reset": (Fault.reset(),),
    "reset-early": (Fault.reset(early=True),),
    "reset-received": (Fault.reset(received=True),),
    "close": (Fault.close(),),
    "close-received": (Fault.close(received=True),),
    "hang": (Fault.hang(),),
    "hang-received": (Fault.hang(received=True),),
    "slow": (Fault.slow(),),
    "slow-head": (Fault.slow_head(),),
    "not-http": (Fault.not_http(),),
    "redirect": (Fault.redirect(),),
}
"""Faults by name; where there are several, each comes equally often."""

WITH_STATUS: Mapping[str, Callable[[int | None], Fault]] = {
    "html": Fault.html,
    "truncate": Fault.truncate,
    "garbage": Fault.garbage,
    "broken-json": Fault.broken_json,
    "json-list": Fault.json_list,
    "empty": Fault.empty,
    "bad-gzip": Fault.bad_gzip,
    "false-result": Fault.false_result,
}
"""Faults whose name may go on with a status, as in `html-404`; without one they change the usual answer."""


def find_faults(name: str) -> tuple[Fault, ...]:
    """Return the faults of a name: one of the two tables, a status such as `503`, or the two joined.

    Raises:
        ValueError: There is none of this name; the text lists those there are.
    """
    if name in PLAIN:
        return PLAIN[name]
    if name in WITH_STATUS:
        return (WITH_STATUS[name](None),)
    base, _, status = name.rpartition("-")
    if status.isdecimal() and len(status) == 3:
        if not base:
            return (Fault(status=int(status)),)
        if base in WITH_STATUS:
            return (WITH_STATUS[base](int(status)),)
    known = ", ".join(sorted({*PLAIN, *WITH_STATUS}))
    raise ValueError(f"there is no fault {name!r}; there are a status such as 503, and {known}")
