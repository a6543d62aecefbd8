"""How far an import is, in a small file beside the one that is imported; it holds nothing of what is in that.

Which row a message of the spool belongs to is not written down, for it follows from one rule: the spool holds the fine
rows of this import and nothing else, in the order of the file, so the k-th fine row has number k there. Numbers are
never used twice, and one append of the spool writes all of its messages or none. So the newest number that was ever in
the spool says exactly how many rows were handed over, whenever the process ended: the next one goes on behind it, and
neither skips a row nor repeats one. A request that was under way at a kill may be made again; the spool has marked its
row.

The rule holds as long as the file, the options and what counts as fine are the same, and nobody else writes to the
spool. For the first three the state has digests; for the last one the state has, before each append, the newest number
before and after it: any other number is somebody else's doing.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import attrs

from ._places import opened_privately
from ._table import ImportFileError

if TYPE_CHECKING:
    from pathlib import Path

    from ._columns import Plan

VERSION = 1
BLOCK = 1 << 20  # bytes


@attrs.define(kw_only=True)
class State:
    """What is known of an import.

    Attributes:
        content: Digest of the file.
        options: Digest of what the options, a preset included, make of its columns.
        fine: How many rows can be sent.
        fine_rows: Digest of which ones.
        handed: How many of them are in the spool, or were.
        handing: How many will be when the append that was begun is through.
        is_finished: Whether all of them are delivered or refused.
        delivered: How many were delivered; of a finished import.
        refused: How many the API refused; of a finished import.
        rejected: Digest of the file of rejected rows that was written last; `""` for none.
        wrong_told: Whether the rows that cannot be sent are in a file of rejected rows, or were.
    """

    content: str
    options: str
    fine: int
    fine_rows: str
    handed: int = 0
    handing: int = 0
    is_finished: bool = False
    delivered: int = 0
    refused: int = 0
    rejected: str = ""
    wrong_told: bool = False

    def save(self, path: Path) -> None:
        """Write it, in one step.

        Raises:
            OSError: It cannot be written.
        """
        written = path.with_name(f"{path.name}.new")
        text = json.dumps({"version": VERSION, **attrs.asdict(self)}, indent=1)
        with opened_privately(written) as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)


def load_state(path: Path) -> State | None:
    """Return the state that a file has; None where there is no such file.

    Raises:
        ImportFileError: It cannot be read, or is none.
    """
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if said.pop("version") != VERSION:
            raise ImportFileError(f"{path} was written by another version of this program; --restart begins anew")
        return State(**said)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ImportFileError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, ImportFileError):
            raise
        words = "is damaged, so it is not known how far this import is; --restart begins anew"
        raise ImportFileError(f"{path} {words}") from error


def digest_of_file(path: Path) -> str:
    """Return what stands for the content of a file.

    Raises:
        ImportFileError: It cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise ImportFileError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def digest_of_plan(plan: Plan, *, encoding: str | None, sheet: str | None) -> str:
    """Return what stands for all that decides what a row becomes."""
    text = json.dumps([attrs.asdict(plan), encoding, sheet])
    return hashlib.sha256(text.encode()).hexdigest()


def check_resumable(state: State, now: State) -> None:
    """Raise where an import that was begun is not the one that is asked for now.

    Raises:
        ImportFileError: The file, the options or the rows that can be sent are other ones.
    """
    begun = "an import of this file was begun"
    if state.content != now.content:
        raise ImportFileError(f"{begun}, and the file was edited since; --restart begins anew, and sends all of it")
    if state.options != now.options:
        raise ImportFileError(f"{begun} with other options; use the same, or --restart to send all of it anew")
    if (state.fine, state.fine_rows) != (now.fine, now.fine_rows):
        raise ImportFileError(
            f"{begun} by another version of this program, which took other rows for fine; --restart begins anew"
        )


def check_position(state: State, last_id: int) -> None:
    """Raise where a spool does not hold what the state says.

    Args:
        state: Of the import.
        last_id: The newest number that was ever in the spool.

    Raises:
        ImportFileError: Somebody else has written to it, or it is another one.
    """
    if last_id not in (state.handed, state.handing):
        raise ImportFileError(
            f"the spool of this import has had {last_id:,} messages, and {state.handing:,} were handed over: it is "
            "another one, or another program has used it; --restart begins anew, and sends all of the file"
        )
