"""A process that tracks into a spool as it is told: each line of its input is Python, and answered with its value."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from ast import literal_eval
from pathlib import Path
from typing import Any


class Shell:
    """The process, as a test holds it.

    Args:
        host: Where it sends.
        spool: Its file.
        settings: Of the module's; more may be set later.
    """

    def __init__(self, host: str, spool: Path, **settings: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, "INTERAKT_HOST": host, "SHOP_SPOOL": str(spool)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, value in settings.items():
            self.ask(f"track.{name} = {value!r}")

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, code: str) -> None:
        """Have it do something, and do not wait for it."""
        assert self.process.stdin is not None
        self.process.stdin.write(code + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Return the next answer."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return literal_eval(line)

    def ask(self, code: str) -> Any:
        """Return the value of an expression, or do something and return None."""
        self.tell(code)
        return self.answer()

    def leave(self) -> str:
        """Let it end; return what it wrote to its log."""
        _, log = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, log
        return log

    def kill(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.communicate()


def obey() -> None:
    """Be that process."""
    if os.environ.get("SHOP_CLOCK"):  # seconds by which its clock is wrong; it can be set again
        import time

        right = time.time
        time.wrong_by = float(os.environ["SHOP_CLOCK"])  # type: ignore[attr-defined]  # a name of our own
        time.time = lambda: right() + time.wrong_by  # type: ignore[attr-defined]  # a name of our own
    import track

    warnings.simplefilter("error")
    track.write_key = "test-key"
    track.spool = os.environ["SHOP_SPOOL"]
    track.flush_interval = 0.01
    reports: list[str] = []
    track.on_error = lambda error, queue_msg: reports.append(
        f"{type(error).__name__} {queue_msg['body'].get('userId')}"
    )

    def event(user_id: str, number: int = 0) -> track.Receipt:
        """Make a call that can be told from others."""
        return track.event(user_id=user_id, event="e", traits={f"n{number}": number})

    names = {"track": track, "event": event, "reports": reports, "sys": sys}
    for line in sys.stdin:
        try:
            code = compile(line, "input", "eval")
        except SyntaxError:
            exec(line, names)
            answer: object = None
        else:
            answer = eval(code, names)
        print(repr(answer), flush=True)


if __name__ == "__main__":
    obey()
