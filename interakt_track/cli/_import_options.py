"""The options of `import` that say what columns are, as what the importing room takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from interakt_track.importing import PRESETS, Mapping

from ._command_line import calling_code, options
from ._screen import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


def pair(text: str) -> tuple[str, str]:
    """Return the two sides of the last `=` but for `--type`, whose formats may hold one: then of the first."""
    name, sign, value = text.rpartition("=")
    if not sign or not name.strip() or not value.strip():
        raise click.BadParameter(f"{printable(text)!r} is no COLUMN=NAME")
    return name.strip(), value.strip()


def type_pair(text: str) -> tuple[str, str]:
    """Return the column and the type of `COLUMN=TYPE`; a format may hold a `=`."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise click.BadParameter(f"{printable(text)!r} is no COLUMN=TYPE")
    return name.strip(), value.strip()


column_options = options(
    click.option(
        "--map",
        "maps",
        metavar="COLUMN=FIELD",
        type=pair,
        multiple=True,
        help="What a column is: user_id, phone_number, country_code, created_at, tags, event ... Repeatable.",
    ),
    click.option(
        "--trait",
        "traits",
        metavar="COLUMN=NAME",
        type=pair,
        multiple=True,
        help="The trait that a column is; without it, that of its own name. Repeatable.",
    ),
    click.option(
        "--type",
        "kinds",
        metavar="COLUMN=TYPE",
        type=type_pair,
        multiple=True,
        help="int, float, bool, date, date:FORMAT, datetime, datetime:FORMAT, json or text. Repeatable.",
    ),
    click.option(
        "--ignore", "ignored", metavar="COLUMN", multiple=True, help="A column that is not imported. Repeatable."
    ),
    click.option(
        "--country-code",
        metavar="CODE",
        default="+91",
        show_default=True,
        type=calling_code,
        help="The country of phone numbers, where neither they nor a column say.",
    ),
    click.option("--encoding", metavar="NAME", help="Of a CSV or JSON Lines file; UTF-8 without it."),
    click.option("--sheet", metavar="NAME", help="Of an .xlsx file; the first one without it."),
)
preset_option = click.option(
    "--preset",
    type=click.Choice(sorted(PRESETS)),
    help="What the columns of a shop's own export are; other options are stronger.",
)
event_options = options(
    click.option("--event-column", metavar="COLUMN", help="The column that has the event's name."),
    click.option("--event", metavar="NAME", help="The event of all rows, in place of a column."),
)


def mapping_of(
    maps: Iterable[tuple[str, str]],
    traits: Iterable[tuple[str, str]],
    kinds: Iterable[tuple[str, str]],
    ignored: Iterable[str],
    *,
    event_column: str | None = None,
    event: str | None = None,
) -> Mapping:
    """Return what the options say."""
    if event is not None and event_column is not None:
        raise click.UsageError(
            "--event names the event of all rows, and --event-column where each row has its own: one of them"
        )
    fields: dict[str, Any] = dict(maps)
    if event_column is not None:
        fields[event_column] = "event"
    return Mapping(fields=fields, traits=dict(traits), kinds=dict(kinds), ignored=frozenset(ignored), event=event)
