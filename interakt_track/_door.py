"""What a call passes before its message is accepted, and how it is refused there."""

from __future__ import annotations

import threading
from collections import Counter

from ._account import ACCOUNTS
from ._errors import InvalidMessageError, QueueFullError, SettingsError
from ._receipt import Outcome, Receipt
from ._recording import RECORDING
from ._requests import message_from_body, wire
from ._write_key import key_of_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._account import Account
    from ._logs import Quiet
    from ._messages import Message
    from ._reporter import Reporter
    from ._settings import BeforeSend, Settings

QUEUE_IS_FULL = "the queue is full; raise max_queue_size, or send less than the account's requests per minute"


def account_of(settings: Settings) -> Account | None:
    """Return the account that calls are made under; None as long as neither settings nor environment have a key."""
    write_key = settings.write_key or key_of_environment()
    return None if write_key is None else ACCOUNTS.get(settings.host, write_key)


def missing_key() -> SettingsError:
    """Return the error of a call that needs a key."""
    return SettingsError(
        'write_key is missing; set track.write_key = "…" or the environment\'s INTERAKT_WRITE_KEY '
        "(the dashboard shows it under Settings, Developer Settings)"
    )


class Door:
    """Lets a client's calls in, or refuses and counts them.

    Args:
        settings: The client's settings of this moment.
        quiet: What the log is told through.
        reporter: Who is told of bad input where it does not raise.
    """

    def __init__(self, settings: Settings, quiet: Quiet, reporter: Reporter) -> None:
        self.settings = settings
        self._quiet = quiet
        self._reporter = reporter
        self._lock = threading.RLock()  # guards _refused
        self._refused: Counter[str] = Counter()

    def count_refused(self) -> dict[str, int]:
        """Return how many calls were refused, by reason."""
        return dict(self._refused)

    def check(
        self, message: Message, problems: list[InvalidMessageError], find_account: Callable[[], Account] | None
    ) -> Message | Receipt:
        """Return the message to accept, or the receipt of a call that is refused.

        Args:
            message: What the call's arguments make.
            problems: What had to be left out of it.
            find_account: Returns host and key to send it with, where the call had none, or raises a `SettingsError`;
                None: it needs none.

        Raises:
            SettingsError: With `strict`, the write key is missing.
        """
        settings = self.settings
        for problem in problems:
            self._report_invalid(problem, message)
        if not settings.enabled:
            return self.refuse(message, "disabled", Outcome("disabled"))
        try:
            if find_account is not None and not message.has_account:
                message.account = find_account()
        except SettingsError as error:
            if settings.strict:
                raise
            self._quiet.warn("settings", str(error), is_error=True)
            return self.refuse(message, "invalid", Outcome("invalid", error))
        return message if settings.before_send is None else self._ask_before_send(settings.before_send, message)

    def refuse_full(self, message: Message) -> Receipt:
        """Return the receipt of a call that finds no room.

        Raises:
            QueueFullError: With `strict` and `when_full="raise"`.
        """
        settings = self.settings
        error = QueueFullError(QUEUE_IS_FULL)
        receipt = self.refuse(message, "queue_full", Outcome("dropped", error))
        if settings.when_full == "raise" and settings.strict:
            raise error
        self._quiet.warn(
            "full", f"the queue is full ({settings.max_queue_size} messages wait); new messages are dropped"
        )
        return receipt

    def refuse_invalid(self, cause: Exception) -> Receipt:
        """Return the receipt of a call whose arguments cannot be sent.

        Raises:
            InvalidMessageError: With `strict`.
        """
        error = cause
        if not isinstance(error, InvalidMessageError):
            error = InvalidMessageError(f"an argument cannot be read: {type(cause).__name__}")
            error.__cause__ = cause
        if self.settings.strict:
            raise error
        self._report_invalid(error, None)
        return self.refuse(None, "invalid", Outcome("invalid", error))

    def refuse(self, message: Message | None, reason: str, outcome: Outcome) -> Receipt:
        """Count a call as refused for a reason, and return its receipt."""
        with self._lock:
            self._refused[reason] += 1
        for recorder in RECORDING.recorders_of(self.settings.host):
            recorder.note_refusal(reason)
        return Receipt(message, None, outcome)

    def _ask_before_send(self, before_send: BeforeSend, message: Message) -> Message | Receipt:
        """Return the message that `before_send` makes of one, or the receipt of a call it refused."""
        try:
            body = before_send(wire(message)["body"])
            if body is None:
                return self.refuse(message, "before_send", Outcome("dropped"))
            return message_from_body(message, body, default_country_code=self.settings.default_country_code)
        except Exception as cause:  # noqa: BLE001 - the application's code: whatever it does, the caller goes on
            what = str(cause) if isinstance(cause, InvalidMessageError) else type(cause).__name__
            error = InvalidMessageError(f"before_send made no message: {what}")
            error.__cause__ = cause
            self._quiet.warn("before_send", "before_send failed; its message is dropped", is_error=True, exc_info=True)
            self._report(error, message)
            return self.refuse(message, "before_send", Outcome("dropped", error))

    def _report_invalid(self, error: InvalidMessageError, message: Message | None) -> None:
        self._quiet.warn("invalid", f"bad input, and strict is False: {error}")
        self._report(error, message)

    def _report(self, error: InvalidMessageError, message: Message | None) -> None:
        self._reporter.report(error, wire(message) if message else {"path": "", "body": {}}, lambda: None)
