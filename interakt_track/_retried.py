"""Failed messages of a spool that are to be sent again: which, in what order, and how they get back."""

from __future__ import annotations

import time

from ._inventory import SUPERSEDED
from ._rows import PAYLOAD
from ._schema import NEXT_ID
from ._spooled import Retried

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._database import Database
    from ._selection import Condition

CHOOSE = f"INSERT INTO chosen (id, is_superseded) SELECT id, id IN ({SUPERSEDED}) FROM failed"
CHOSEN = "SELECT id FROM chosen WHERE place BETWEEN ? AND ?"
APPEND_FAILED = (
    f"INSERT INTO waiting (id, origin, account, {PAYLOAD}) "
    f"SELECT {NEXT_ID} - 1 + row_number() OVER (ORDER BY place), 0, account, {PAYLOAD} "
    "FROM failed JOIN chosen USING (id) WHERE place BETWEEN ? AND ?"
)


def retry_failed(
    database: Database, condition: Condition, *, skip_superseded: bool, step: int, pause: float
) -> Retried:
    """Move failed messages behind those that wait, in steps, so that calls of other processes come between.

    Args:
        database: The file.
        condition: Which are meant.
        skip_superseded: Whether those stay that a later identify of that person has superseded.
        step: How many are moved at a time.
        pause: Seconds between two steps: others try again and again meanwhile, and would else find no gap.
    """
    text, values = condition
    count = 0
    with database.lock:
        # Chosen before anything moves: one that waits again would supersede an earlier one that does, too.
        database.execute("DROP TABLE IF EXISTS temp.chosen")
        database.execute("CREATE TEMP TABLE chosen (place INTEGER PRIMARY KEY, id INTEGER, is_superseded INTEGER)")
        database.execute(f"{CHOOSE} WHERE {text} ORDER BY called_at, id", values)
        superseded = database.value("SELECT count(*) FROM chosen WHERE is_superseded")
        if skip_superseded:
            database.execute("DELETE FROM chosen WHERE is_superseded")
        last = database.value("SELECT max(place) FROM chosen") or 0
        for first in range(1, last + 1, step):
            these = (first, first + step - 1)
            if first > 1:
                time.sleep(pause)
            move = ((APPEND_FAILED, these), (f"DELETE FROM failed WHERE id IN ({CHOSEN})", these))
            count += database.run_together(move) // 2  # each goes into one table, and out of the other
    skipped = superseded if skip_superseded else 0
    return Retried(count=count, superseded=superseded - skipped, skipped=skipped)
