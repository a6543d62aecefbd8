"""Which faults come how often: the plan, its spelling in one line, and the dice that follow it."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import attrs

from ._faults import Fault, find_faults
from ._windows import WINDOWS, RateLimit

_DURATION = re.compile(r"(?P<number>\d+(\.\d*)?|\.\d+)(?P<unit>ms|s)?")


@attrs.frozen(kw_only=True)
class FaultPlan:
    """What the sandbox does to requests nobody scripted an answer for.

    Args:
        latency: Seconds every answer takes at least, also those of scripted faults.
        jitter: Up to so many seconds are added to it, evenly distributed.
        chances: Faults, each with its probability; together at most 1.
        rate_limit: Asked before the chances; what it refuses is answered 429.
        seed: Makes the sequence of random choices the same each time; None makes it another each time.
    """

    latency: float = 0.0
    jitter: float = 0.0
    chances: tuple[tuple[Fault, float], ...] = ()
    rate_limit: RateLimit | None = None
    seed: int | None = None

    def __attrs_post_init__(self) -> None:
        for name, seconds in (("latency", self.latency), ("jitter", self.jitter)):
            if not (0 <= seconds < math.inf):
                raise ValueError(f"{name} must be a number of seconds from 0 up, not {seconds}")
        if any(not 0 <= chance <= 1 for _, chance in self.chances):
            raise ValueError("the probability of a fault must be from 0 to 1")
        if sum(chance for _, chance in self.chances) > 1 + 1e-9:
            raise ValueError("the probabilities of all faults must not add up to more than 1")


def parse_faults(spec: str) -> FaultPlan:
    """Read a plan from one line, such as `latency=50ms,jitter=20ms,5xx=0.05,reset-received=0.01,rate=300,seed=7`.

    Args:
        spec: Parts with commas between them, each `name=value`. `latency`, `jitter` and `period` take `50ms`, `2s` or
            seconds; `rate` the requests per `period` (60 s); `window` `fixed` or `sliding`; `retry-after` `yes` or
            `no`; `seed` an integer. Any other name is a fault (a status, or one of the catalogue, some of them with a
            status behind: `html-502`), and its value a probability: `0.05` or `5%`.

    Raises:
        ValueError: The line cannot be read; the text names the part.
    """
    given: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in spec.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise ValueError(f"{part!r} must be a name, = and a value")
        if name in given:
            raise ValueError(f"{name!r} is there twice")
        given[name] = value
    return FaultPlan(
        latency=_seconds("latency", given.pop("latency", "0")),
        jitter=_seconds("jitter", given.pop("jitter", "0")),
        seed=_integer("seed", given.pop("seed")) if "seed" in given else None,
        rate_limit=_rate_limit(given),
        chances=_chances(given),
    )


def _rate_limit(given: dict[str, str]) -> RateLimit | None:
    """Take the parts about the rate limit out of what was given."""
    settings: dict[str, Any] = {}
    if "period" in given:
        settings["seconds"] = _seconds("period", given.pop("period"))
    if "window" in given:
        settings["window"] = _one_of("window", given.pop("window"), WINDOWS)
    if "retry-after" in given:
        settings["has_retry_after"] = _one_of("retry-after", given.pop("retry-after"), ("yes", "no")) == "yes"
    if "rate" in given:
        return RateLimit(_integer("rate", given.pop("rate")), **settings)
    if settings:
        raise ValueError("period, window and retry-after need a rate")
    return None


def _chances(given: dict[str, str]) -> tuple[tuple[Fault, float], ...]:
    chances: list[tuple[Fault, float]] = []
    for name, value in given.items():
        faults = find_faults(name)
        chance = _probability(name, value)
        chances.extend((fault, chance / len(faults)) for fault in faults)
    return tuple(chances)


def _seconds(name: str, value: str) -> float:
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError(f"{name} must be a time such as 50ms, 2s or 0.05, not {value!r}")
    return float(match["number"]) / (1000 if match["unit"] == "ms" else 1)


def _probability(name: str, value: str) -> float:
    try:
        return float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        raise ValueError(f"{name} must be a probability such as 0.05 or 5%, not {value!r}") from None


def _integer(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"{name} must be a whole number, not {value!r}") from None


def _one_of(name: str, value: str, words: tuple[str, ...]) -> str:
    if value not in words:
        raise ValueError(f"{name} must be {' or '.join(words)}, not {value!r}")
    return value


class FaultDice:
    """Follows a plan, one request at a time.

    Args:
        plan: The plan.
        earlier: The dice of the plan before; its window goes on where the new plan has the same rate limit.
    """

    def __init__(self, plan: FaultPlan, earlier: FaultDice | None = None) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._window = plan.rate_limit.open_window() if plan.rate_limit else None
        if earlier is not None and earlier._plan.rate_limit == plan.rate_limit:
            self._window = earlier._window

    def latency(self) -> float:
        """Return the seconds the next answer takes."""
        if not self._plan.jitter:
            return self._plan.latency
        return self._plan.latency + self._random.uniform(0.0, self._plan.jitter)

    def fault(self, now: float) -> Fault | None:
        """Return what the next request meets.

        Args:
            now: Any monotonic clock.
        """
        wait = self._window.admit(now) if self._window else 0.0
        if wait and self._plan.rate_limit is not None:
            retry_after = math.ceil(wait) if self._plan.rate_limit.has_retry_after else None
            return Fault(name="rate-limit", status=429, retry_after=retry_after)
        if not self._plan.chances:
            return None
        number = self._random.random()
        for fault, chance in self._plan.chances:
            number -= chance
            if number < 0:
                return fault
        return None
