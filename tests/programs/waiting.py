"""Waiting for what no event tells of: what is in a file, or in another process."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(is_so: Callable[[], object], *, seconds: float = 20.0) -> float:
    """Look again and again until something is so; return how long it took, and fail when the time is up."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < seconds, "it did not come about"
        time.sleep(0.01)
    return time.monotonic() - began
