"""For the tests of applications: what they would have sent, recorded and not sent.

Example:
    >>> from interakt_track.testing import capture
    >>> with capture() as sent:
    ...     place_order(customer, total=1499)
    >>> [order] = sent.events("Order Placed")
    >>> order.traits["total"]
    1499
"""

from __future__ import annotations

# In full, so that they are the same classes where this package is imported as `track.testing`.
from interakt_track.testing._capture import Capture, capture
from interakt_track.testing._difference import explain_comparison
from interakt_track.testing._guard import BlockedCall, NetworkGuard
from interakt_track.testing._sent import Messages, SentEvent, SentMessage, SentUser

__all__ = [
    "BlockedCall",
    "Capture",
    "Messages",
    "NetworkGuard",
    "SentEvent",
    "SentMessage",
    "SentUser",
    "capture",
    "explain_comparison",
]
