"""The guard against tests that send: it stops what is called without a capture, and tells where."""

from __future__ import annotations

import json
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import interakt_track
from interakt_track._recording import RECORDING, from_line, to_line

from ._block import Block
from ._capture import Capture
from ._tape import Tape

if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Self

    from interakt_track._messages import Message

OURS = {"interakt_track", "track"}
GO_BETWEENS = {"asyncio", "django"}
"""Packages that make a call later which somebody else has asked for: a task's, or one that waits for the commit."""

PACKAGE = Path(interakt_track.__file__).parent
TRACKING_DEPTH = 8  # frames; those of ours, and of a function or two that an application has around the client


class BlockedCall(NamedTuple):
    """A call that would have sent something.

    Attributes:
        file: Of the first code outside of the SDK, as are the next two; of what asyncio or Django calls later, the code
            that asked for it, as far as that can be told.
        line: Counted from 1.
        function: Its name.
        what: What was called, in words.
    """

    file: str
    line: int
    function: str
    what: str

    def __str__(self) -> str:
        file = Path(self.file)
        folder = Path.cwd()
        shown = file.relative_to(folder) if file.is_relative_to(folder) else file
        return f"{shown}:{self.line}, in {self.function}: {self.what}"


class NetworkGuard:
    """Stops in a `with` block what is called without a capture, and remembers where that was.

    The caller is not disturbed: as within a capture, receipts show the message as delivered, and nothing is sent. What
    goes to this machine itself, such as to a sandbox, is let through. Threads and forked children are guarded too,
    processes that begin anew are not. Only low-level calls raise, a `RuntimeError`.
    """

    def __init__(self) -> None:
        self._tape = Tape()
        self._block = Block()

    def __enter__(self) -> Self:
        self._block.begin(self)
        self._tracking_depth = sys.get_coroutine_origin_tracking_depth()
        sys.set_coroutine_origin_tracking_depth(max(TRACKING_DEPTH, self._tracking_depth))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        sys.set_coroutine_origin_tracking_depth(self._tracking_depth)
        self._block.end(self)

    def take_calls(self) -> list[BlockedCall]:
        """Return the calls since the last time."""
        calls = []
        for line in self._tape.read():
            place, _, message = line.partition(b"\t")
            file, number, function = json.loads(place)
            calls.append(BlockedCall(file, number, function, _what(from_line(message))))
        return calls

    # Called by those who send, as `_recording.Recorder` says.

    def start_anew(self) -> None:
        """Go on in a forked child; there is no lock that could be held."""

    def wants(self, host: str) -> bool:
        """Tell whether a host is beyond this machine."""
        return not _is_this_machine(urlsplit(host).hostname or "")

    def note_refusal(self, reason: str) -> None:
        """Ignore what would not have been sent."""

    def record(self, message: Message) -> None:
        """Note a call that no capture records."""
        if any(isinstance(recorder, Capture) for recorder in RECORDING.recorders):
            return
        self._tape.append(json.dumps(_place_of_call(sys._getframe(1))).encode() + b"\t" + to_line(message))


def _place_of_call(frame: FrameType | None) -> tuple[str, int, str]:
    """Return file, line and function of the first code that is not the SDK's, and does not call for somebody else."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module == "asyncio.events" and (origin := _origin_of_task()) is not None:
            return origin
        if module.partition(".")[0] not in OURS | GO_BETWEENS:
            return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name
        frame = frame.f_back
    return "", 0, ""


def _origin_of_task() -> tuple[str, int, str] | None:
    """Return where the running task's coroutine was made, which is one of ours: the frame that made it is gone."""
    import asyncio  # noqa: PLC0415 - it is there when a task runs

    task = asyncio.current_task()
    made = getattr(task.get_coro(), "cr_origin", None) if task is not None else None
    return next((place for place in made or () if not Path(place[0]).is_relative_to(PACKAGE)), None)


def _what(message: Message) -> str:
    about = message.user_id or f"{message.country_code} {message.phone_number}"
    return f"identify of {about}" if message.event is None else f'event "{message.event}" of {about}'


def _is_this_machine(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
