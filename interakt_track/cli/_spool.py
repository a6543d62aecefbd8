"""The command `spool`: all that looks after the file in which messages wait."""

from __future__ import annotations

import click

from ._spool_changes import adopt, drop, erase, retry
from ._spool_drain import drain
from ._spool_messages import export, failed, list_waiting
from ._spool_status import status

EXAMPLES = """\b
Examples:
  export INTERAKT_SPOOL=/var/lib/shop/track.db
  interakt-track spool status
  interakt-track spool failed --status 400
  interakt-track spool drain --timeout 600
"""


class InThisOrder(click.Group):
    """A group whose help lists its commands as they were added: looking, changing, sending."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names."""
        return list(self.commands)


@click.group(cls=InThisOrder, epilog=EXAMPLES)
def spool() -> None:
    """Look after a spool: what waits, what failed, and sending it.

    A spool is the file in which a program with `track.spool = "track.db"` keeps its messages until they are delivered.
    Programs may go on writing to it, and sending, meanwhile.
    """


for command in (status, list_waiting, failed, retry, drop, erase, adopt, export, drain):
    spool.add_command(command)
