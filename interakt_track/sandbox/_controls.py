"""The page's controls: what of a plan of faults they show, and the plan that they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from ._faults import PLAIN
from ._windows import RateLimit

if TYPE_CHECKING:
    from ._fault_plan import FaultPlan

MAX_LATENCY = 60.0  # seconds; nobody waits longer to see a time-out
MAX_RATE = 1_000_000  # requests of a window
MAX_FAILURES = 1_000  # that are asked for at once
ERRORS = PLAIN["5xx"]


def error_rate(plan: FaultPlan) -> float:
    """Return how often a plan answers with one of the usual server errors, from 0 to 1."""
    return sum(chance for fault, chance in plan.chances if fault in ERRORS)


def with_error_rate(plan: FaultPlan, rate: float) -> FaultPlan:
    """Return a plan with another rate of server errors, each of them as often; its other faults stay."""
    others = tuple((fault, chance) for fault, chance in plan.chances if fault not in ERRORS)
    errors = tuple((fault, rate / len(ERRORS)) for fault in ERRORS) if rate else ()
    return attrs.evolve(plan, chances=(*others, *errors))


def describe(plan: FaultPlan) -> dict[str, Any]:
    """Return what the controls show of a plan.

    `rate_limit` is None or the requests of a window of `period` seconds; `latency` is in seconds; `others` names what
    no control shows, such as `["reset 1 %"]`.
    """
    others = [f"{fault.name} {100 * chance:g} %" for fault, chance in plan.chances if fault not in ERRORS]
    if plan.jitter:
        others.insert(0, f"up to {1000 * plan.jitter:g} ms more")
    return {
        "rate_limit": plan.rate_limit.requests if plan.rate_limit else None,
        "period": plan.rate_limit.seconds if plan.rate_limit else 60.0,
        "latency": plan.latency,
        "error_rate": round(error_rate(plan), 6),
        "others": others,
    }


def changed(plan: FaultPlan, wishes: dict[str, Any]) -> FaultPlan:
    """Return the plan that somebody wishes for.

    Args:
        plan: The one that is followed; what is not wished otherwise stays.
        wishes: Any of `rate_limit` (None, or requests a minute), `latency` (seconds, at most 60) and `error_rate` (0
            to 1).

    Raises:
        ValueError: A wish cannot be granted; the text names it.
    """
    for name in wishes.keys() - {"rate_limit", "latency", "error_rate"}:
        raise ValueError(f"there is no control {name[:40]!r}")
    if "rate_limit" in wishes:
        plan = attrs.evolve(plan, rate_limit=_rate_limit(plan.rate_limit, wishes["rate_limit"]))
    if "latency" in wishes:
        plan = attrs.evolve(plan, latency=_number(wishes, "latency", MAX_LATENCY))
    if "error_rate" in wishes:
        plan = with_error_rate(plan, _number(wishes, "error_rate", 1.0))
    return plan


def failures(wishes: dict[str, Any]) -> tuple[int, int]:
    """Return how many of the next requests are wished to fail, and with which status.

    Raises:
        ValueError: The wish cannot be granted.
    """
    return _whole(wishes, "requests", 1, MAX_FAILURES), _whole(wishes, "status", 400, 599)


def _rate_limit(limit: RateLimit | None, wish: Any) -> RateLimit | None:
    if wish is None:
        return None
    requests = _whole({"rate_limit": wish}, "rate_limit", 1, MAX_RATE)
    return attrs.evolve(limit, requests=requests) if limit else RateLimit(requests)


def _number(wishes: dict[str, Any], name: str, most: float) -> float:
    value = wishes[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{name} must be a number from 0 to {most:g}")
    return float(value)


def _whole(wishes: dict[str, Any], name: str, least: int, most: int) -> int:
    value = wishes.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}")
    return value
