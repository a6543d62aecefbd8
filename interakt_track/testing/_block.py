"""The block of a `with` statement in which somebody records."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from interakt_track._recording import RECORDING

if TYPE_CHECKING:
    from interakt_track._recording import Recorder


class Block:
    """From the beginning of a block until it is left in the process that began it.

    A child that was forked within goes on recording when it leaves its parent's block: it must send nothing either.
    """

    def __init__(self) -> None:
        self._process: int | None = None  # in which it is open

    def begin(self, recorder: Recorder) -> None:
        """Give all messages to a recorder.

        Raises:
            RuntimeError: It is open: the end of the inner block would be that of the outer one.
        """
        if self._process is not None:
            raise RuntimeError(f"this {type(recorder).__name__} is in use; make another one for a block within")
        self._process = os.getpid()
        RECORDING.begin(recorder)

    def end(self, recorder: Recorder) -> None:
        """Give it no more, in the process that has begun the block."""
        if self._process == os.getpid():
            self._process = None
            RECORDING.end(recorder)
