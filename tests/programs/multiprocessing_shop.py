"""A shop whose multiprocessing children track, too; run by `tests/test_fork.py` and `tests/test_spool_fork.py`."""

import multiprocessing
import os
import sys
import warnings

import track

track.write_key = "test-key"
if "SHOP_SPOOL" in os.environ:
    track.spool = os.environ["SHOP_SPOOL"]


def work(number: int) -> None:
    """Make calls, and end without a flush."""
    for _ in range(5):
        track.event(user_id=f"u{number}", event="child")


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # of forks while threads run, from Python 3.12 on
    track.event(user_id="u", event="parent")
    context = multiprocessing.get_context(sys.argv[1])
    children = [context.Process(target=work, args=(n,)) for n in range(3)]  # type: ignore[attr-defined]  # each has it
    for child in children:
        child.start()
    for child in children:
        child.join(30)
    assert [child.exitcode for child in children] == [0, 0, 0]
