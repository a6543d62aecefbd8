"""The threads: take a unit, send it, and settle it or give it back."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic, time

from . import _lifecycle
from ._custody import Custody, doubt, is_kept
from ._errors import (
    APIError,
    AuthenticationError,
    DeliveryError,
    RateLimitError,
    RejectedError,
    mask_personal_data,
)
from ._gevent import have_resolver
from ._locks import IMPORT_LOCK
from ._logs import is_debugging, log_debug
from ._messages import RAISE, REPORT, USER, masked_identity
from ._receipt import Outcome
from ._requests import wire
from ._retry import retry_delay
from ._threads import as_own_thread, start_thread
from ._values import random

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    from ._errors import QueueMessage
    from ._logs import Quiet
    from ._messages import Message
    from ._order import Unit
    from ._queue import Queue
    from ._receipt import Response, Status
    from ._reporter import Reporter
    from ._settings import Settings

    Loss = tuple[Message, DeliveryError, Outcome]
    Error = TypeVar("Error", bound=DeliveryError)

    class Sends(Protocol):
        """What a worker needs of a sender."""

        def send(self, message: Message, *, timeout: float, with_call_time: bool) -> Response | None:
            """Make one request; raise a `DeliveryError` when the message was not delivered."""

        def close(self) -> None:
            """Close the connection."""


LATE = 5.0  # seconds between an event's call and its sending from which on it carries the time of the call


class Workers:
    """The threads of one client; started when work needs them, ended when they are idle.

    Args:
        queue: Where units come from.
        reporter: Who is told of failures.
        quiet: What the log is told through.
        settings: The client's settings of this moment.
        new_sender: Makes the sender of one thread.
    """

    def __init__(
        self,
        queue: Queue,
        reporter: Reporter,
        quiet: Quiet,
        *,
        settings: Settings,
        new_sender: Callable[[], Sends],
    ) -> None:
        self.settings = settings
        self._queue = queue
        self._custody = Custody(queue, quiet)
        self._reporter = reporter
        self._new_sender = new_sender
        self._lock = threading.RLock()  # guards _alive and _started
        self._alive = 0
        self._started = 0
        self._quiet = quiet

    def start_one(self) -> bool:
        """Start one more thread unless there are enough; False when there is none and none can be started."""
        with self._lock:
            if self._alive >= self.settings.max_workers:
                return True
            self._alive += 1
            self._started += 1
            name = f"worker-{self._started}"
        if name == "worker-1":
            _lifecycle.watch_exit()
            have_resolver()
            with IMPORT_LOCK:
                pass  # what it has to load and to register is done here, and not in a thread while this one forks
        self._reporter.prepare()
        if start_thread(name, self._run):
            return True
        with self._lock:
            self._alive -= 1
            return self._alive > 0

    def help_out(self, until: Callable[[], bool], *, deadline: float, prepare: Callable[[], float]) -> None:
        """Send in the calling thread, where none can be started.

        Args:
            until: When to stop.
            deadline: When to stop all the same, in `time.monotonic()` seconds; an attempt may take as long.
            prepare: Called before units are taken; returns until when they are, before it is called again.
        """
        sender = self._new_sender()
        try:
            while True:
                step = min(deadline, prepare())
                with as_own_thread():
                    while (unit := self._queue.take(until=until, deadline=step)) is not None:
                        self._attempt(unit, sender, time_left=deadline - monotonic())
                if until() or monotonic() >= deadline or self._queue.is_inherited:
                    break
        finally:
            sender.close()

    def abandon(self, error: DeliveryError) -> int:
        """Give up everything that is not settled, and report it; return how many messages that were."""
        losses: list[Loss] = []
        self._queue.abandon(lambda message: self._lose(message, "dropped", error, losses))
        self._report(losses)
        return len(losses)

    def _run(self) -> None:
        sender = self._new_sender()
        try:
            while not self._is_surplus() and (unit := self._queue.take()) is not None:
                self._attempt(unit, sender)
        finally:
            with self._lock:
                self._alive -= 1
            sender.close()
            if not self._queue.is_inherited and not self._queue.is_settled():
                self.start_one()  # a message came between the last look and the count above

    def _is_surplus(self) -> bool:
        return self._alive > self.settings.max_workers

    def _attempt(self, unit: Unit, sender: Sends, *, time_left: float = float("inf")) -> None:
        """Make one request, and settle the unit or give it back, before anything else is taken."""
        if unit.refusal is not None:
            self._reject(unit, unit.refusal)
            return
        account = unit.lane.account
        unit.patience = time_left
        in_doubt = doubt(unit, self.settings)
        if in_doubt is not None:
            account.settle(monotonic(), is_accepted=False)
            self._give_up(unit, in_doubt)
            return
        if not self._custody.start(unit):
            return
        message = unit.current
        timeout = min(self.settings.timeout, max(time_left, 0.001))
        try:
            response = sender.send(message, timeout=timeout, with_call_time=abs(time() - message.called_at) > LATE)
        except DeliveryError as error:
            self._log_attempt(unit, str(error))
            self._fail(unit, error)
        except Exception as error:  # noqa: BLE001 - a defect of ours may cost one message, told, and not the thread
            self._quiet.warn("defect", "sending failed in an unexpected way", is_error=True, exc_info=True)
            account.settle(monotonic(), is_accepted=False)
            self._give_up(unit, DeliveryError(f"sending failed in an unexpected way: {type(error).__name__}"))
        else:
            self._log_attempt(unit, _describe(response))
            account.settle(monotonic(), is_accepted=True, is_key_good=True)
            if self._custody.acknowledge(unit):
                self._queue.deliver(unit, response)

    def _fail(self, unit: Unit, error: DeliveryError) -> None:
        """Decide what a failed attempt means: wait, take apart, try again, or give up."""
        is_refusal = isinstance(error, RateLimitError)
        error.attempts, unit.error = unit.attempts, error
        now = monotonic()
        account = unit.lane.account
        if isinstance(error, RateLimitError):
            if account.refuse(now, unit.started, error.retry_after, random()):
                self._quiet.warn("rate-limit", "the API refuses more requests for now (429); sending pauses")
        elif isinstance(error, AuthenticationError) and error.is_from_api:
            if account.bar(now, error):
                others = "wait in the spool" if self._queue.keeps else "are rejected"
                self._quiet.warn(
                    "key", f"{error}; one message a minute tries it again, all others {others}", is_error=True
                )
            if is_kept(unit):
                self._custody.note_refusal(unit)
                self._queue.give_back(unit, 0.0, is_retry=True)
            else:
                self._reject(unit, error)
            return
        elif is_kept(unit):
            self._keep(unit, error)
            return
        else:
            is_key_good = isinstance(error, RejectedError) and error.is_from_api
            account.settle(now, is_accepted=isinstance(error, APIError), is_key_good=is_key_good)
        if is_refusal and unit.current.told_by != RAISE:
            unit.free_attempts += 1
            self._custody.note_refusal(unit)
            self._queue.give_back(unit, 0.0, is_retry=True)
            return
        retries = unit.attempts - 1 - unit.free_attempts
        delay = retry_delay(error, retries, max_retries=self.settings.max_retries, random=random())
        if delay is None and len(unit.messages) > 1 and not unit.is_apart and isinstance(error, RejectedError):
            self._queue.take_apart(unit)
        elif delay is None or (error.is_ambiguous and not self._may_repeat(unit.current)):
            self._give_up(unit, error)
        else:
            self._queue.give_back(unit, delay, is_retry=True, is_ambiguous=error.is_ambiguous)

    def _keep(self, unit: Unit, error: DeliveryError) -> None:
        """Decide what a failed attempt means for a message in a file: what may pass is waited for."""
        delay, reason = self._custody.decide(unit, error, self.settings, is_repeatable=self._may_repeat(unit.current))
        if delay is not None:
            self._queue.give_back(unit, delay, is_retry=True, is_ambiguous=error.is_ambiguous)
        elif len(unit.messages) > 1 and not unit.is_apart:
            self._queue.take_apart(unit)
        else:
            self._give_up(unit, reason)

    def _may_repeat(self, message: Message) -> bool:
        """Tell whether a message may be sent that the API may have: an identify says the same again."""
        return message.kind == USER or self.settings.on_ambiguous == "retry"

    def _give_up(self, unit: Unit, error: DeliveryError) -> None:
        losses = self._end(unit, error)
        for message, _, _ in losses:
            if message.told_by != RAISE:
                self._reporter.log(error, f"{message.kind} of {masked_identity(message)}")
        self._report(losses)

    def _reject(self, unit: Unit, refusal: AuthenticationError) -> None:
        """End a unit because the API refuses the account's key, which has been logged."""
        error = _copied(refusal)
        error.attempts = unit.attempts
        self._report(self._end(unit, error))

    def _end(self, unit: Unit, error: DeliveryError) -> list[Loss]:
        """Settle a unit as lost, and return what is to be reported."""
        status: Status = "rejected" if isinstance(error, (RejectedError, AuthenticationError)) else "dropped"
        losses: list[Loss] = []
        if self._custody.reject(unit, error):
            self._queue.settle(unit, lambda message: self._lose(message, status, error, losses))
        return losses

    def _lose(self, message: Message, status: Status, error: DeliveryError, losses: list[Loss]) -> Outcome:
        """Return the outcome of a lost message, with an error of its own, and note it to be reported."""
        own = _copied(error)
        outcome = Outcome(status, own, is_final=False)
        losses.append((message, own, outcome))
        return outcome

    def _report(self, losses: list[Loss]) -> None:
        """Tell of lost messages where their calls said; they are settled for those who wait when that is done."""
        for message, error, outcome in losses:
            error.queue_msg = self._wire(message)
            confirm = partial(self._queue.confirm, outcome)
            if message.told_by == REPORT:
                self._reporter.report(error, error.queue_msg, confirm)
            else:
                confirm()

    def _wire(self, message: Message) -> QueueMessage:
        try:
            return wire(message)
        except Exception:  # noqa: BLE001 - a defect of ours may not keep a loss from being told
            self._quiet.warn("defect", "a lost message cannot be shown", is_error=True, exc_info=True)
            return {"path": "", "body": {}}

    def _log_attempt(self, unit: Unit, result: str) -> None:
        if is_debugging():
            log_debug(
                "POST %s %s: %s (%.3f s, attempt %d)",
                self._wire(unit.current)["path"],
                masked_identity(unit.current),
                result,
                monotonic() - unit.started,
                unit.attempts,
            )


def _copied(error: Error) -> Error:
    """Return an error of its own for one of several messages that share a failure."""
    with IMPORT_LOCK:
        from copy import copy  # noqa: PLC0415 - wanted where something is lost only

    own = copy(error)
    own.__cause__ = error.__cause__
    return own


def _describe(response: Response | None) -> str:
    if response is None:
        return "delivered"
    said = response.body.get("message") if isinstance(response.body, dict) else None
    return f"{response.status_code} {mask_personal_data(said) if isinstance(said, str) else 'delivered'}"
