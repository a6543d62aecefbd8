"""The command `identify`: say from the shell who a customer is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ._command_line import options
from ._one_call import EXIT_CODES, identity_options, make_call, merged, sending_options, trait_options

if TYPE_CHECKING:
    from interakt_track import Client, Receipt

EXAMPLES = f"""\b
Examples:
  interakt-track identify --user-id u42 --phone 9876543210 --trait name=Asha
  interakt-track identify --phone "+91 98765 43210" --tag newsletter
  interakt-track identify --user-id u42 --trait-json '{{"age": 31}}'
  interakt-track identify --user-id u42 --trait city=Pune --dry-run --curl
{EXIT_CODES}"""


@click.command(epilog=EXAMPLES)
@options(
    identity_options,
    trait_options,
    click.option("--tag", "tags", metavar="TAG", multiple=True, help="A tag to add. Repeatable."),
    click.option("--created-at", metavar="TIME", help="When the customer came to be, as 2026-11-25T10:30:00+05:30."),
    click.option(
        "--add-to-sales-cycle/--no-add-to-sales-cycle",
        default=None,
        help="Whether the customer enters the sales cycle.",
    ),
    sending_options,
)
def identify(
    user_id: str | None,
    phone: str | None,
    country_code: str | None,
    traits: tuple[dict[str, Any], ...],
    json_traits: tuple[dict[str, Any], ...],
    tags: tuple[str, ...],
    created_at: str | None,
    add_to_sales_cycle: bool | None,
    **sending: Any,
) -> None:
    """Say who a customer is, and see what the API answers.

    A customer is known by an id, a phone number, or both; what is said again replaces what was said before.
    """

    def call(client: Client) -> Receipt:
        return client.identify(
            user_id=user_id,
            country_code=country_code,
            phone_number=phone,
            traits=merged(traits, json_traits),
            tags=list(tags) or None,
            created_at=created_at,
            add_to_sales_cycle=add_to_sales_cycle,
        )

    make_call(call, **sending)
