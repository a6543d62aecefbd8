"""What the log and errors show of a message and its attempts."""

from __future__ import annotations

from time import monotonic

from ._errors import mask_personal_data
from ._logs import is_debugging, log_debug
from ._messages import masked_identity
from ._requests import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._errors import DeliveryError, QueueMessage
    from ._logs import Quiet
    from ._messages import Message
    from ._order import Unit
    from ._receipt import Response


def shown(message: Message, quiet: Quiet) -> QueueMessage:
    """Return a message as errors and `on_error` show it; where that fails, the loss is told all the same."""
    try:
        return wire(message)
    except Exception:  # noqa: BLE001 - a defect of ours may not keep a loss from being told
        quiet.warn("defect", "a lost message cannot be shown", is_error=True, exc_info=True)
        return {"path": "", "body": {}}


def trace_attempt(unit: Unit, result: Response | DeliveryError | None, quiet: Quiet) -> None:
    """Log a debug record of an attempt that has ended, if they are wanted.

    Args:
        unit: What was tried.
        result: The API's answer, or what the attempt failed with.
        quiet: What the log is told of a defect through.
    """
    if is_debugging():
        log_debug(
            "POST %s %s: %s (%.3f s, attempt %d)",
            shown(unit.current, quiet)["path"],
            masked_identity(unit.current),
            str(result) if isinstance(result, Exception) else _describe(result),
            monotonic() - unit.started,
            unit.attempts,
        )


def _describe(response: Response | None) -> str:
    if response is None:
        return "delivered"
    said = response.body.get("message") if isinstance(response.body, dict) else None
    return f"{response.status_code} {mask_personal_data(said) if isinstance(said, str) else 'delivered'}"
