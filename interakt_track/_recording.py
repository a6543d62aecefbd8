"""Who records messages in the place of sending them, a test's captures, and the clients that follow them."""

from __future__ import annotations

import threading
from _weakrefset import WeakSet  # what `weakref` has it from, and `threading`; `weakref` is a millisecond

from . import _lifecycle
from ._locks import IMPORT_LOCK
from ._members import members
from ._messages import USER, Message
from ._receipt import Outcome, Response
from ._traits import pack
from ._values import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Recorder(_lifecycle.Forks, Protocol):
        """What messages go to in the place of queue and spool.

        `wants` tells whether messages to a host are recorded, each time the same. `record` is called in the thread of
        the call, and in forked children too; so is `note_refusal`, with the reason that `stats().refused` counts.
        """

        def wants(self, host: str) -> bool: ...
        def record(self, message: Message) -> None: ...
        def note_refusal(self, reason: str) -> None: ...

    class Follower(Protocol):
        """What sends, unless somebody records."""

        def follow_recording(self) -> None:
            """Look who records now."""


class Recording:
    """The recorders of this process. Outside of tests there is none, and no call looks for one.

    A call finds the way of its message, `Client._put`, ready made. So when a recorder begins or ends, each client is
    told to make it anew.

    Attributes:
        recorders: In the order in which they began; replaced at once, so reading it takes no lock.
        changes: How often a recorder began or ended.
    """

    def __init__(self) -> None:
        self.recorders: tuple[Recorder, ...] = ()
        self.changes = 0
        self._followers: WeakSet[Follower] = WeakSet()
        self.start_anew()
        _lifecycle.register_fork(self)

    def start_anew(self) -> None:
        """Take a new lock in a forked child, which is recorded as its parent is."""
        self._lock = threading.RLock()  # guards the rest
        for recorder in self.recorders:
            recorder.start_anew()

    def recorders_of(self, host: str) -> tuple[Recorder, ...]:
        """Return those who record what is called for this host."""
        return tuple(recorder for recorder in self.recorders if recorder.wants(host))

    def register(self, follower: Follower, *, seen: int) -> None:
        """Tell a client when a recorder begins or ends; at once, if one did since `changes` was `seen`."""
        with self._lock:
            self._followers.add(follower)
            is_late = seen != self.changes
        if is_late:
            follower.follow_recording()

    def begin(self, recorder: Recorder) -> None:
        """Give it all messages from now on, of clients that are there and of later ones."""
        with self._lock:
            self._replace((*self.recorders, recorder))

    def end(self, recorder: Recorder) -> None:
        """Give it no more messages; the others, those that began later too, go on."""
        with self._lock:
            self._replace(tuple(one for one in self.recorders if one is not recorder))

    def _replace(self, recorders: tuple[Recorder, ...]) -> None:
        self.recorders = recorders
        self.changes += 1
        for follower in members(self._followers):
            follower.follow_recording()


RECORDING = Recording()


class Recorded:
    """What of one client's messages is recorded, which its receipts and numbers show as delivered.

    Attributes:
        is_on: Whether its messages are recorded now.
        count: How many were.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.count = 0
        self._recorders: tuple[Recorder, ...] = ()
        self._lock = threading.RLock()  # guards count

    def follow(self, host: str) -> None:
        """Look who records what is called for this host."""
        recorders = RECORDING.recorders_of(host)
        self.is_on = bool(recorders)
        if recorders:  # else the last ones stay: a call that was about to record may still come
            self._recorders = recorders

    def put(self, message: Message) -> bool:
        """Record a message; there is always room."""
        for recorder in self._recorders:
            recorder.record(message)
        with self._lock:
            self.count += 1
        status_code = 202 if message.kind == USER else 201  # what the API answers
        answer = {"result": True, "message": "recorded, and not sent"}
        message.outcome = Outcome("delivered", response=Response(status_code, answer))
        return True


def to_line(message: Message) -> bytes:
    """Return a message as a line of JSON."""
    values: dict[str, Any] = {
        "kind": message.kind,
        "user_id": message.user_id,
        "country_code": message.country_code,
        "phone_number": message.phone_number,
        "event": message.event,
        "traits": message.traits,
        "tags": None if message.tags is None else list(message.tags),
        "created_at": message.created_at,
        "add_to_sales_cycle": message.add_to_sales_cycle,
        "called_at": message.called_at,
        "priority": message.priority,
    }
    return encode(values).encode() + b"\n"


def from_line(line: bytes) -> Message:
    """Return the message of a line that `to_line` made, in this process or in a forked one."""
    with IMPORT_LOCK:
        import json  # noqa: PLC0415 - only tests read what was recorded

    values: dict[str, Any] = json.loads(line)
    tags = values["tags"]
    return Message(
        values["kind"],
        values["user_id"],
        (values["country_code"], values["phone_number"]),
        values["event"],
        pack(values["traits"]),
        None if tags is None else tuple(tags),
        values["created_at"],
        values["add_to_sales_cycle"],
        values["called_at"],
        None,
        values["priority"],
    )
