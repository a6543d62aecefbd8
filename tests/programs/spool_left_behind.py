"""Spools for tests of what looks after them: messages that a process left behind, and failed ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KEY = "test-key"


def leave_behind(path: Path, host: str, calls: str, *, key: str = KEY) -> None:
    """Run calls in a process that ends without any goodbye, sending nothing.

    Args:
        path: Of the spool.
        host: The API's.
        calls: Lines of code, in which `client` makes them.
        key: The write key.
    """
    program = (
        "import os, track\n"
        f"client = track.Client(write_key={key!r}, host={host!r}, spool={str(path)!r}, "
        "flush_interval=3600, batch_size=10**9)\n"
        f"{calls}\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env={**os.environ})
