"""What becomes of messages that Interakt did not take."""

from __future__ import annotations

import logging

from track import TrackError

logger = logging.getLogger(__name__)


def on_error(error: TrackError, queue_msg: dict[str, object]) -> None:
    """Log one; the body is a customer's, and stays out of the log."""
    logger.error("Interakt did not get a message to %s: %s", queue_msg["path"], error)
