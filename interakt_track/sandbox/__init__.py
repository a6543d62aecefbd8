"""A local Track API for tests and for trying things out; needs the extra `cli`."""

from __future__ import annotations

import sys

# The same package under both names of its parent, whichever it is imported by first.
sys.modules["interakt_track.sandbox"] = sys.modules["track.sandbox"] = sys.modules[__name__]

try:
    from ._contract import Problem
    from ._fault_plan import FaultPlan, parse_faults
    from ._faults import Fault
    from ._records import Counts, Request
    from ._sandbox import Sandbox, serve
    from ._windows import RateLimit, busiest_window
except ModuleNotFoundError as error:
    package = (error.name or "more").partition(".")[0]
    raise ModuleNotFoundError(
        f'the sandbox needs {package}, which comes with: pip install "interakt-track-python[cli]"', name=error.name
    ) from error

__all__ = [
    "Counts",
    "Fault",
    "FaultPlan",
    "Problem",
    "RateLimit",
    "Request",
    "Sandbox",
    "busiest_window",
    "parse_faults",
    "serve",
]
