"""The command `event`: say from the shell what a customer did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ._command_line import options
from ._one_call import EXIT_CODES, identity_options, make_call, merged, sending_options, trait_options

if TYPE_CHECKING:
    from interakt_track import Client, Receipt

EXAMPLES = f"""\b
Examples:
  interakt-track event "Order Placed" --user-id u42 --trait-json total=1499
  interakt-track event "Cart Abandoned" --phone 9876543210 --dry-run

An event can set off a WhatsApp campaign: real customers may then get messages.
{EXIT_CODES}"""


@click.command(epilog=EXAMPLES)
@click.argument("name", metavar="NAME")
@options(
    identity_options,
    trait_options,
    click.option("--created-at", metavar="TIME", help="When it happened, as 2026-11-25T10:30:00+05:30."),
    sending_options,
)
def event(
    name: str,
    user_id: str | None,
    phone: str | None,
    country_code: str | None,
    traits: tuple[dict[str, Any], ...],
    json_traits: tuple[dict[str, Any], ...],
    created_at: str | None,
    **sending: Any,
) -> None:
    """Say what a customer did, and see what the API answers.

    NAME is the event's, as campaigns know it, in quotation marks where it has blanks.
    """

    def call(client: Client) -> Receipt:
        return client.event(
            user_id=user_id,
            event=name,
            traits=merged(traits, json_traits),
            country_code=country_code,
            phone_number=phone,
            created_at=created_at,
        )

    make_call(call, **sending)
