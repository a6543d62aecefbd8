"""What arrived, held against what was called: bodies, numbers, and each person's order."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import attrs

from ._calls import utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from interakt_track.sandbox import Request

    from ._calls import Call


@attrs.define
class Arrivals:
    """The comparison.

    Attributes:
        arrived: Calls whose content was in a request, each once.
        missing: Calls that were in none.
        strangers: Requests that carry no call, or one again without need.
        misplaced: Calls that arrived after a later one of the same person.
        repeats: How many requests came again because the answer to the first one was lost or broken.
    """

    arrived: list[Call] = attrs.field(factory=list)
    missing: list[Call] = attrs.field(factory=list)
    strangers: list[Request] = attrs.field(factory=list)
    misplaced: list[Call] = attrs.field(factory=list)
    repeats: int = 0

    @property
    def are_complete(self) -> bool:
        """Whether all that was called arrived, nothing else did, and in order."""
        return not (self.missing or self.strangers or self.misplaced)


def compare(calls: Iterable[Call], requests: Iterable[Request], *, since: datetime, until: datetime) -> Arrivals:
    """Find each call in what the sandbox recorded.

    Args:
        calls: In the order in which they were made, no two of one person alike.
        requests: In the order in which they arrived; those that did not count as received are passed over.
        since: When the first call was made.
        until: When the last one was. An event that left late carries the time of its call, which is between the two.
    """
    calls_of: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        calls_of[_person(call.body())].append(call)
    arrivals = Arrivals()
    comparisons = {
        person: _Comparison(own_calls, arrivals, utc(since), utc(until)) for person, own_calls in calls_of.items()
    }
    for request in requests:
        if not request.received or request.body is None:
            continue
        comparison = comparisons.get(_person(request.body))
        if comparison is None:
            arrivals.strangers.append(request)
        else:
            comparison.take(request)
    for comparison in comparisons.values():
        comparison.end()
    return arrivals


def _person(body: dict[str, Any]) -> str:
    """Return the identifier that all messages of one person of the demo share."""
    return f"id {body['userId']}" if "userId" in body else f"phone {body.get('countryCode')} {body.get('phoneNumber')}"


class _Comparison:
    """The comparison of one person's calls with the requests about that person, as these come."""

    def __init__(self, calls: Sequence[Call], arrivals: Arrivals, since: str, until: str) -> None:
        self._calls = calls
        self._bodies = [call.body() for call in calls]
        self._arrivals = arrivals
        self._since = since
        self._until = until
        self._is_found = [False] * len(calls)
        self._is_uncertain = [False] * len(calls)  # found, but the client may not have learned that it arrived
        self._last = -1

    def take(self, request: Request) -> None:
        """Say which calls a request carries."""
        run = self._find(request, among_found=False)
        is_repeat = not run
        if is_repeat:
            run = self._find(request, among_found=True)
            if not run or not self._is_uncertain[run[0]]:
                self._arrivals.strangers.append(request)
                return
            self._arrivals.repeats += 1
        if run[-1] < self._last:
            self._arrivals.misplaced.append(self._calls[run[0]])
        self._last = max(self._last, run[-1])
        for number in run:
            self._is_found[number] = True
            self._is_uncertain[number] = request.fault is not None or request.is_abandoned

    def end(self) -> None:
        """Say which calls were found."""
        for call, is_found in zip(self._calls, self._is_found, strict=True):
            (self._arrivals.arrived if is_found else self._arrivals.missing).append(call)

    def _find(self, request: Request, *, among_found: bool) -> range:
        """Return the numbers of the calls a request carries; several if `identify` calls in a row were merged."""
        for first, body in enumerate(self._bodies):
            merged = body
            for number in range(first, len(self._calls)):
                call = self._calls[number]
                if self._is_found[number] is not among_found or call.kind != request.kind:
                    break
                if number > first:
                    merged = _merge(merged, self._bodies[number])
                if self._carries(request, merged, call):
                    return range(first, number + 1)
                if call.kind == "event":
                    break
        return range(0)

    def _carries(self, request: Request, body: dict[str, Any], call: Call) -> bool:
        arrived = dict(request.body or {})
        if call.kind == "event" and call.created_at is None and "createdAt" in arrived:
            time = str(arrived.pop("createdAt"))
            if not self._since <= time <= self._until:
                return False
        return _is_equal(arrived, body)


def _merge(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Return what two `identify` in a row amount to: later traits win, tags unite."""
    merged = {**earlier, **later, "traits": {**earlier["traits"], **later["traits"]}}
    if "tags" in merged:
        merged["tags"] = list(dict.fromkeys([*earlier.get("tags", ()), *later.get("tags", ())]))
    return merged


def _is_equal(one: Any, other: Any) -> bool:
    """Compare two values as JSON means them: 1 is 1.0, and `true` is neither."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_equal, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
