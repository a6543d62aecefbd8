"""What `import` shows of its check: what is wrong, grouped by reason, and the first calls as they would be sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from interakt_track.importing import masked_shape

from ._command_line import counted
from ._screen import plain_table, printable, say

if TYPE_CHECKING:
    from rich.console import Console

    from interakt_track.importing import Findings, Group, Plan, Table

MAX_SHOWN_GROUPS = 20
MAX_PLAN = 4000  # characters; a shop's export with its fifty columns is shown as a whole
MASK = "***"


def show_plan(console: Console, plan: Plan, table: Table) -> None:
    """Say what each column is."""
    fields = ", ".join(_named(c.name, c.field or "") for c in plan.columns if c.field)
    traits = ", ".join(_named(c.name, c.trait or "") for c in plan.columns if c.trait)
    say(console, f"Columns: {printable(fields, at_most=MAX_PLAN)}")
    say(console, f"Traits:  {printable(traits, at_most=MAX_PLAN) or 'none'}")
    if plan.ignored:
        say(console, f"Ignored: {printable(', '.join(plan.ignored), at_most=MAX_PLAN)}")
    if table.note:
        say(console, f"Note:    {printable(table.note, at_most=500)}")
    if plan.subject == "events" and not plan.has("created_at"):
        say(
            console,
            "No column is created_at: all events will have the time at which they are imported, not that at which they "
            "happened.",
            style="yellow",
        )


def show_findings(console: Console, found: Findings, table: Table, *, is_shown: bool) -> None:
    """Say how many rows can be sent, and what is wrong with the others.

    Args:
        console: The screen.
        found: By the check.
        table: That was checked.
        is_shown: Whether personal data is shown.
    """
    for sample in found.samples:
        request = sample.message
        body = request["body"] if is_shown else _masked(request["body"])
        say(console, f"Example: POST {request['path']} {printable(json.dumps(body, ensure_ascii=False), at_most=600)}")
    say(
        console,
        f"{counted(found.fine, 'row')} can be sent, {found.wrong:,} cannot.",
        style="" if found.wrong else "green",
    )
    if not found.wrong:
        return
    counted_in = table.counted_in
    shown = plain_table("how many", "what is wrong", f"which {counted_in}", "examples", right=(0,))
    for group in found.groups[:MAX_SHOWN_GROUPS]:
        more = " …" if group.count > len(group.rows) else ""
        numbers = ", ".join(f"{number}" for number in group.rows)
        shown.add_row(
            f"{group.count:,}",
            printable(group.reason, at_most=400),
            f"{numbers}{more}",
            "\n".join(_examples(group, is_shown)),
        )
    console.print(shown)
    if counted_in == "rows":
        say(console, "Rows are counted as a spreadsheet does: that of the headings, and empty ones, too.", style="dim")
    if len(found.groups) > MAX_SHOWN_GROUPS:
        say(console, f"… and {len(found.groups) - MAX_SHOWN_GROUPS} more reasons; --json has them all.")


def findings_as_dict(found: Findings, *, is_shown: bool) -> dict[str, Any]:
    """Return what the check has found, for programs."""
    return {
        "fine": found.fine,
        "wrong": found.wrong,
        "reasons": [
            {
                "reason": group.reason,
                "count": group.count,
                "rows": group.rows,
                "examples": _examples(group, is_shown),
            }
            for group in found.groups
        ],
        "samples": [
            {"path": message["path"], "body": message["body"] if is_shown else _masked(message["body"])}
            for message in (sample.message for sample in found.samples)
        ],
    }


def _named(name: str, target: str) -> str:
    return name if name == target else f"{name} → {target}"


def _examples(group: Group, is_shown: bool) -> list[str]:
    shown = [printable(str(value) if is_shown else masked_shape(value), at_most=60) for value in group.examples]
    return list(dict.fromkeys(shown))  # different cells may look alike


def _masked(body: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        name: MASK if name in ("userId", "phoneNumber") else value for name, value in body.items() if name != "traits"
    }
    if "tags" in shown:
        shown["tags"] = [MASK for _ in body["tags"]]
    return {**shown, "traits": {name: _kind_of(value) for name, value in body.get("traits", {}).items()}}


def _kind_of(value: Any) -> Any:
    """Return what shows the type of a trait, and nothing of it."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return 0
    return MASK if isinstance(value, str) else [] if isinstance(value, list) else {}
