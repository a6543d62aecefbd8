"""The threads: take a unit, send it, and settle it or give it back."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic

from . import _lifecycle
from ._custody import Custody, doubt, is_kept
from ._errors import DeliveryError, RateLimitError, RejectedError
from ._gevent import have_resolver
from ._locks import IMPORT_LOCK
from ._messages import RAISE, REPORT, masked_identity
from ._receipt import Outcome
from ._requests import is_late
from ._threads import as_own_thread, start_thread
from ._trace import shown, trace_attempt
from ._verdict import delay_of_retry, error_of_its_own, is_key_refused, may_repeat, status_of_loss, tell_account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ._logs import Quiet
    from ._messages import Message
    from ._order import Unit
    from ._queue import Queue
    from ._receipt import Response, Status
    from ._reporter import Reporter
    from ._settings import Settings

    Loss = tuple[Message, DeliveryError, Outcome]

    class Sends(Protocol):
        """What a worker needs of a sender."""

        def send(self, message: Message, *, timeout: float, with_call_time: bool) -> Response | None:
            """Make one request; raise a `DeliveryError` when the message was not delivered."""

        def close(self) -> None:
            """Close the connection."""


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

    def help_out(
        self, until: Callable[[], bool], *, deadline: float, grace: float, prepare: Callable[[], float]
    ) -> None:
        """Send in the calling thread, where none can be started.

        Args:
            until: When to stop.
            deadline: When to stop all the same, in `time.monotonic()` seconds.
            grace: Seconds for which an attempt may go on beyond that.
            prepare: Called before units are taken; returns until when they are, before it is called again.
        """
        sender = self._new_sender()
        try:
            while True:
                step = min(deadline, prepare())
                with as_own_thread():
                    while (unit := self._queue.take(until=until, deadline=step)) is not None:
                        self._attempt(unit, sender, time_left=deadline + grace - monotonic())
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
        try:
            self._send(unit, sender, time_left)
        finally:
            self._queue.note_end(unit)

    def _send(self, unit: Unit, sender: Sends, time_left: float) -> None:
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
            response = sender.send(message, timeout=timeout, with_call_time=is_late(message))
        except DeliveryError as error:
            trace_attempt(unit, error, self._quiet)
            self._fail(unit, error)
        except Exception as error:  # noqa: BLE001 - a defect of ours may cost one message, told, and not the thread
            self._quiet.warn("defect", "sending failed in an unexpected way", is_error=True, exc_info=True)
            account.settle(monotonic(), is_accepted=False)
            self._give_up(unit, DeliveryError(f"sending failed in an unexpected way: {type(error).__name__}"))
        else:
            trace_attempt(unit, response, self._quiet)
            account.settle(monotonic(), is_accepted=True, is_key_good=True)
            if self._custody.acknowledge(unit):
                self._queue.deliver(unit, response)

    def _fail(self, unit: Unit, error: DeliveryError) -> None:
        """Decide what a failed attempt means: wait, take apart, try again, or give up."""
        unit.note_failure(error)
        is_refusal, is_barred = isinstance(error, RateLimitError), is_key_refused(error)
        if is_kept(unit) and not (is_refusal or is_barred):
            self._keep(unit, error)
            return
        tell_account(unit, error, monotonic(), self._quiet, keeps=bool(self._queue.keepers))
        if is_barred and not is_kept(unit):
            self._reject(unit, error)
        elif is_barred or (is_refusal and unit.current.told_by != RAISE):
            unit.free_attempts += is_refusal
            self._custody.note_refusal(unit)
            self._queue.give_back(unit, 0.0, is_retry=True)
        else:
            self._retry(unit, error)

    def _retry(self, unit: Unit, error: DeliveryError) -> None:
        delay = delay_of_retry(unit, error, self.settings)
        if delay is not None:
            self._queue.give_back(unit, delay, is_retry=True, is_ambiguous=error.is_ambiguous)
        elif len(unit.messages) > 1 and not unit.is_apart and isinstance(error, RejectedError):
            self._queue.take_apart(unit)
        else:
            self._give_up(unit, error)

    def _keep(self, unit: Unit, error: DeliveryError) -> None:
        """Decide what a failed attempt means for a message in a file: what may pass is waited for."""
        is_repeatable = may_repeat(unit.current, self.settings)
        delay, reason = self._custody.decide(unit, error, self.settings, is_repeatable=is_repeatable)
        if delay is not None:
            self._queue.give_back(unit, delay, is_retry=True, is_ambiguous=error.is_ambiguous)
        elif len(unit.messages) > 1 and not unit.is_apart:
            self._queue.take_apart(unit)
        else:
            self._give_up(unit, reason)

    def _give_up(self, unit: Unit, error: DeliveryError) -> None:
        with self._reporter.announced:
            losses = self._end(unit, error)
            for message, _, _ in losses:
                if message.told_by != RAISE:
                    self._reporter.log(error, f"{message.kind} of {masked_identity(message)}")
            self._report(losses)

    def _reject(self, unit: Unit, refusal: DeliveryError) -> None:
        """End a unit because the API refuses the account's key, which has been logged."""
        error = error_of_its_own(refusal)
        error.attempts = unit.attempts
        with self._reporter.announced:
            self._report(self._end(unit, error))

    def _end(self, unit: Unit, error: DeliveryError) -> list[Loss]:
        """Settle a unit as lost, and return what is to be reported."""
        unit.mark_doubt(error)
        status = status_of_loss(error)
        losses: list[Loss] = []
        if self._custody.reject(unit, error):
            self._queue.settle(unit, lambda message: self._lose(message, status, error, losses))
        return losses

    def _lose(self, message: Message, status: Status, error: DeliveryError, losses: list[Loss]) -> Outcome:
        """Return the outcome of a lost message, with an error of its own, and note it to be reported."""
        own = error_of_its_own(error)
        outcome = Outcome(status, own, is_final=False)
        losses.append((message, own, outcome))
        return outcome

    def _report(self, losses: list[Loss]) -> None:
        """Tell of lost messages where their calls said; they are settled for those who wait when that is done."""
        for message, error, outcome in losses:
            error.queue_msg = shown(message, self._quiet)
            confirm = partial(self._queue.confirm, outcome)
            if message.told_by == REPORT:
                self._reporter.report(error, error.queue_msg, confirm)
            else:
                confirm()
