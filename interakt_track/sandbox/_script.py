"""What happens to the next request: what a test scripted for it, else what the dice of the plan say."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import attrs

from ._fault_plan import FaultDice, FaultPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._faults import Fault
    from ._records import Request


@attrs.frozen
class Fate:
    """What happens to one request.

    Attributes:
        fault: None for the usual answer.
        latency: Seconds of the plan, before the fault's own.
    """

    fault: Fault | None
    latency: float


@attrs.frozen
class _Rule:
    faults: deque[Fault | None]
    when: Callable[[Request], bool] | None


class Script:
    """Holds the scripted faults and the plan. Written by any thread, asked by the server's."""

    def __init__(self, plan: FaultPlan) -> None:
        self._lock = threading.Lock()  # guards the rules, the plan and its dice
        self._rules: list[_Rule] = []
        self.follow(plan)

    @property
    def plan(self) -> FaultPlan:
        """The plan that is followed where nothing is scripted."""
        return self._plan

    def follow(self, plan: FaultPlan) -> None:
        """Follow another plan from now on, with new dice and an empty window."""
        with self._lock:
            self._plan = plan
            self._dice = FaultDice(plan)

    def adjust(self, change: Callable[[FaultPlan], FaultPlan]) -> None:
        """Follow a changed plan; what its rate limit has counted still counts if the limit stays as it was."""
        with self._lock:
            self._plan = change(self._plan)
            self._dice = FaultDice(self._plan, self._dice)

    def append(self, faults: Iterable[Fault | None], when: Callable[[Request], bool] | None) -> None:
        """Let the next requests, or the next that `when` says yes to, meet these; None is the usual answer."""
        with self._lock:
            rule = _Rule(deque(faults), when)
            self._rules += [rule] if rule.faults else []

    def clear(self) -> None:
        """Forget what was scripted; the plan stays."""
        with self._lock:
            self._rules.clear()

    def left(self) -> int:
        """Return how many scripted answers no request has met yet."""
        with self._lock:
            return sum(len(rule.faults) for rule in self._rules)

    def decides_early(self) -> bool:
        """Tell whether a request's fate can be decided before its body is known."""
        with self._lock:
            return all(rule.when is None for rule in self._rules)

    def decide(self, now: float, request: Request | None = None) -> Fate:
        """Return the fate of a request that arrived `now`, and take it off the script.

        Args:
            now: Any monotonic clock.
            request: What the predicates are asked about; without it, only what holds for any request counts.
        """
        with self._lock:
            latency = self._dice.latency()
            for rule in self._rules:
                if rule.when is None or (request is not None and rule.when(request)):
                    fault = rule.faults.popleft()
                    self._rules = [rule for rule in self._rules if rule.faults]
                    return Fate(fault, latency)
            return Fate(self._dice.fault(now), latency)
