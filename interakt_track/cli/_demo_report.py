"""The report of the demo: what arrived, the SDK's accounting of it, and whether all is well."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import TYPE_CHECKING

import attrs
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ._screen import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from interakt_track import Stats
    from interakt_track.sandbox import Counts

    from ._arrivals import Arrivals
    from ._calls import Call

EXAMPLES = 5  # of what is missing; the numbers say the rest
SUM = ("delivered", "rejected", "dropped", "waiting", "in_flight")
"""What `stats().queued` must be the sum of."""


@attrs.frozen(kw_only=True)
class Outcome:
    """How a demo went.

    Attributes:
        calls: All that was called.
        paths: The endpoint of each kind of call.
        call_times: Seconds each call took, in that order.
        delivery_time: Seconds from the first call to the end of the delivery.
        arrivals: What of it arrived at the sandbox.
        counts: The sandbox's counters.
        stats: The SDK's own word.
        reasons: What the SDK reported of messages it could not deliver, and how often.
    """

    calls: Sequence[Call]
    paths: Mapping[str, str]
    call_times: Sequence[float]
    delivery_time: float
    arrivals: Arrivals
    counts: Counts
    stats: Stats
    reasons: Counter[str]

    @property
    def does_add_up(self) -> bool:
        """Whether each message the SDK accepted is in exactly one place."""
        parts: int = sum(getattr(self.stats, name) for name in SUM)
        return self.stats.queued == parts

    @property
    def is_well(self) -> bool:
        """Whether all that was called arrived, and the SDK knows it."""
        is_known = self.stats.queued == self.stats.delivered == len(self.calls)
        return self.arrivals.are_complete and self.does_add_up and is_known


def show_report(console: Console, outcome: Outcome) -> None:
    """Print the report."""
    for part in (_pace(outcome), _arrivals_table(outcome), _stats_table(outcome.stats), *_notes(outcome)):
        console.print(part, "", sep="\n", soft_wrap=isinstance(part, Text))
    console.print(_verdict(outcome), soft_wrap=True)


def _notes(outcome: Outcome) -> Iterable[Text]:
    """Return the paragraphs of text; each line is a sentence or an entry of a list."""
    for lines in (_proofs(outcome), _missing(outcome), _reasons(outcome)):
        paragraph = Text("\n").join(lines)
        if paragraph:
            yield paragraph


def _pace(outcome: Outcome) -> Text:
    calls, counts = outcome.call_times, outcome.counts
    median = statistics.median(calls) * 1e6
    return Text(
        f"{len(calls)} calls returned in {sum(calls) * 1e3:.0f} ms, the median one in {median:.0f} µs;\n"
        f"behind them {outcome.delivery_time:.1f} s of delivery: {counts.requests} requests "
        f"over {counts.connections} connections."
    )


def _table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim", border_style="dim")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _arrivals_table(outcome: Outcome) -> Table:
    table = _table("what arrived", "called", "arrived", "")
    table.columns[0].justify = "left"
    table.columns[3].justify = "left"
    for kind, path in outcome.paths.items():
        called = [call for call in outcome.calls if call.kind == kind]
        arrived = [call for call in outcome.arrivals.arrived if call.kind == kind]
        _add_row(table, Text(path, style="bold"), len(called), len(arrived))
        if kind == "event":
            names_that_arrived = Counter(call.event for call in arrived)
            for name, count in Counter(call.event for call in called).most_common():
                _add_row(table, Text(f"  {name}"), count, names_that_arrived[name])
    table.add_section()
    _add_row(table, Text("together"), len(outcome.calls), len(outcome.arrivals.arrived))
    return table


def _add_row(table: Table, name: Text, called: int, arrived: int) -> None:
    is_all = called == arrived
    colour = "green" if is_all else "red"
    judgement = "all" if is_all else f"{called - arrived} missing"
    table.add_row(name, str(called), Text(str(arrived), style=colour), Text(judgement, style=colour))


def _stats_table(stats: Stats) -> Table:
    table = _table("queued", *SUM, "retried", "merged")
    table.add_row(*(str(getattr(stats, name)) for name in ("queued", *SUM, "retried", "merged")))
    return table


def _proofs(outcome: Outcome) -> Iterable[Text]:
    """Say what was checked, one line each."""
    parts = " + ".join(str(getattr(outcome.stats, name)) for name in SUM)
    sum_of_parts = f"{outcome.stats.queued} = {parts}: the accounting of stats()"
    yield _proof(outcome.does_add_up, sum_of_parts, "adds up", "does not add up")
    if outcome.counts.users + outcome.counts.events == 0:
        return
    strangers = len(outcome.arrivals.strangers)
    yield _proof(not strangers, "What arrived is", "what was called", f"not what was called in {strangers} requests")
    people, misplaced = len({call.person for call in outcome.calls}), len(outcome.arrivals.misplaced)
    yield _proof(not misplaced, f"The messages of {people} people came", "in order", f"out of order {misplaced} times")
    if outcome.arrivals.repeats:
        told = "came twice, as the answer to the first request was lost or broken."
        yield Text(f"{outcome.arrivals.repeats} {told}", style="yellow")


def _proof(is_true: bool, about: str, good: str, bad: str) -> Text:
    return Text.assemble(f"{about} ", (good if is_true else bad, "green" if is_true else "red"), ".")


def _missing(outcome: Outcome) -> Iterable[Text]:
    missing = list(dict.fromkeys(map(_name, outcome.arrivals.missing)))
    if missing:
        yield Text("Missing, among others:" if len(missing) > EXAMPLES else "Missing:")
        yield from (Text(f"  {name}") for name in missing[:EXAMPLES])


def _reasons(outcome: Outcome) -> Iterable[Text]:
    if outcome.reasons:
        yield Text("The SDK reported:")
        for reason, count in outcome.reasons.most_common(EXAMPLES):
            yield Text(f"  {count} × {printable(reason)}")


def _name(call: Call) -> str:
    return f"{call.event or 'identify'} of {call.person.user_id or call.person.phone_number}"


def _verdict(outcome: Outcome) -> Text:
    calls, arrived = len(outcome.calls), len(outcome.arrivals.arrived)
    if outcome.is_well:
        return Text(f"All {calls} messages arrived.", style="bold green")
    if arrived < calls:
        return Text(f"{calls - arrived} of {calls} messages did not arrive.", style="bold red")
    return Text(f"All {calls} messages arrived, but not all above is as it should be.", style="bold red")
