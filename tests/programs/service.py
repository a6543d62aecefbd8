"""A service in processes of its own, as a test holds it: a gunicorn, or a Celery worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from running import PROGRAMS


class Service:
    """Several processes that serve until they are stopped, and are read while they do.

    Args:
        command: What Python runs as a module, with its arguments.
        environment: On top of the test's own.
        pass_fds: What they inherit.
        folder: Where they run; None: here.

    Attributes:
        exit_status: What the first of them is to end with when it is stopped.
    """

    exit_status = 0

    def __init__(
        self, *command: str, environment: dict[str, str], pass_fds: Sequence[int] = (), folder: Path | None = None
    ) -> None:
        self.written = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder or PROGRAMS,
            env={**os.environ, **environment},
            pass_fds=pass_fds,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self._output = self.process.stdout

    def wait_for(self, text: str, *, times: int) -> None:
        """Wait until it has written a text so many times."""
        while self.written.count(text) < times:
            line = self._output.readline()
            assert line, f"it has ended: {self.written}"
            self.written += line

    def stop(self) -> None:
        """Stop it gracefully; return when every process of it has ended."""
        self.process.send_signal(signal.SIGTERM)
        self.written += self._output.read()
        assert self.process.wait() == self.exit_status, self.written

    def kill(self) -> None:
        """Kill all processes of it at once, also those that outlived the first one."""
        if self._output.closed:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with self.process:
            self.written += self._output.read()
