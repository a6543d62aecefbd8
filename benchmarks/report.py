"""The table: figures, ratios to the published SDK, and which of the promised ones are reached."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from plan import ROWS
from sdks import POSTHOG, PUBLISHED, SEGMENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from plan import Row

    Results = Mapping[tuple[str, str], Sequence[Mapping[str, float]]]
    """(Name of the case, variant) -> the figures of each round."""

HEADER = ("", "unit", "ours", "published 1.0.7", "ratio", "spread of the ratio", "target", "reached")
OTHERS = (SEGMENT, POSTHOG)

NOTES = """\
Each figure is the median of all rounds. The ratio is ours to the published SDK's, taken in each round, where the two
were measured right after each other; the table has the ratios' median, and the lowest and highest of them. On a shared
machine only ratios mean something. A target is the ratio to reach, and only its median counts; where it says "ours", it
is for the figure itself.

Every measurement is a new process. All SDKs talk to the same local server, a process of its own that speaks HTTP/1.1
with kept-alive connections and TCP_NODELAY, and answers after the latency given. It is not pinned to a core; it used at
most {server_share:.0%} of one. Queue limits are raised equally for all; all else is each SDK's default but for the
settings named in a row.

- A **call** queues one event with a user id and three traits, in short bursts of 10 while the SDK sends at 50 ms of
  latency; "between other work", some JSON of 20 KB is read and written before each call. Reading the clock is included.
- **events/s** counts from the first call until the server has answered the last event, with everything imported and
  connected before; each event is another person's. **CPU** is user and system time of the client process meanwhile,
  calls included.
- **awaited** is an `AsyncClient`: all calls are begun at once in one event loop, and `max_workers` are under way.
- With a **spool**, the message is in a file when the call returns. A **restart** begins with a million messages of as
  many people in the file; its time is that from making a client to its first request, its memory what the process has
  grown by when 300 have been made.
- **Memory** is what Python has allocated (tracemalloc) for events that wait while the server does not answer.
- **import** is the time of the import alone, in a fresh process; **first call** goes on until `event` has returned.
- **Ration** is what a server lets through that takes 600 requests in any 60 seconds, and refuses more with 429 (no
  fixed minute has more then, either). A backlog waits all the time and an answer takes 2 s; of three minutes from its
  first call on, the one counts in which the least of those 600 arrived. Measured once, all at the same time.
- Segment and PostHog send 100 events in a request, to services that take batches. Interakt takes one record a request,
  so their figures of delivery show what batches are worth, and are no yardstick.
"""


@dataclass(frozen=True)
class Line:
    """One line of the table, as numbers; None where there was nothing to compare."""

    row: Row
    ours: float | None
    published: float | None
    ratios: tuple[float, ...]
    others: tuple[float | None, ...]

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios."""
        return median(self.ratios) if self.ratios else None

    @property
    def is_reached(self) -> bool | None:
        """Whether what is promised is reached; None where nothing is, or nothing was compared."""
        figure = self.ours if self.row.is_absolute else self.ratio
        if figure is None or self.row.target is None:
            return None
        return figure <= self.row.target if self.row.less_is_better else figure >= self.row.target


def compare(results: Results) -> list[Line]:
    """Return a line for each row whose case was measured."""
    lines = []
    for row in ROWS:
        ours = _figures(results, row, row.ours)
        if not ours:
            continue
        published = _figures(results, row, PUBLISHED)
        ratios = tuple(mine / theirs for mine, theirs in zip(ours, published, strict=False) if theirs)
        others = tuple(_median(_figures(results, row, sdk)) for sdk in OTHERS)
        lines.append(Line(row, _median(ours), _median(published), ratios, others))
    return lines


def markdown_table(lines: Sequence[Line]) -> str:
    """Return the table as Markdown, aligned for reading as text."""
    rows = [(*HEADER, *OTHERS), *(_cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, ("-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])))
    return "\n".join(
        "| " + " | ".join((row[0].ljust(widths[0]), *(map(str.rjust, row[1:], widths[1:])))) + " |" for row in rows
    )


def notes(results: Results) -> str:
    """Return how the figures came about."""
    shares = [figures.get("server_share", 0.0) for rounds in results.values() for figures in rounds]
    return NOTES.format(server_share=max(shares, default=0.0))


def _figures(results: Results, row: Row, variant: str) -> list[float]:
    return [figures[row.figure] * row.scale for figures in results.get((row.case, variant), ())]


def _median(figures: Sequence[float]) -> float | None:
    return median(figures) if figures else None


def _cells(line: Line) -> tuple[str, ...]:
    row = line.row
    spread = f"{_number(min(line.ratios))} to {_number(max(line.ratios))}" if line.ratios else "–"
    target = "–" if row.target is None else f"{'≤' if row.less_is_better else '≥'} {_number(row.target)}"
    if row.is_absolute:
        target = f"ours {target}"
    reached = {True: "yes", False: "**no**", None: "–"}[line.is_reached]
    return (
        row.title,
        row.unit,
        _number(line.ours),
        _number(line.published),
        _number(line.ratio),
        spread,
        target,
        reached,
        *(_number(figure) for figure in line.others),
    )


def _number(figure: float | None) -> str:
    """Return a number with three digits that mean something."""
    if figure is None:
        return "–"
    if not figure:
        return "0"
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}" if figure >= 1 else f"{figure:.3f}"
