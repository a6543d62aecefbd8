"""The processes of a benchmark: the counting server, and one probe at a time in the environment of its SDK."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).resolve().parent
PATIENCE = 300  # seconds; a probe takes some, and one that looks at a ration minutes


class ProbeError(Exception):
    """A probe gave no figures."""


@contextmanager
def serving(
    *, latency: float = 0.0, hold_after: float = float("inf"), limit: int = 0, minute: float = 60.0
) -> Iterator[str]:
    """Run a counting server, and give its address."""
    command = [sys.executable, str(FOLDER / "counting_server.py")]
    options = ["--latency", str(latency), "--hold-after", str(hold_after)]
    options += ["--limit", str(limit), "--minute", str(minute)]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as server:
        try:
            yield f"http://127.0.0.1:{int(cast('IO[str]', server.stdout).readline())}"
        finally:
            server.kill()


def run_probe(python: str, program: str, *arguments: str) -> dict[str, Any]:
    """Run a program of this folder, and return the JSON it prints.

    Raises:
        ProbeError: It failed, or took too long.
    """
    command = [python, "-E", "-s", str(FOLDER / program), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    try:
        ran = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        figures: dict[str, Any] = json.loads(ran.stdout)
    except subprocess.CalledProcessError as error:
        raise ProbeError(f"{program} {' '.join(arguments)} failed:\n{error.stderr}") from None
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise ProbeError(f"{program} {' '.join(arguments)}: {error}") from None
    return figures
