"""Running Python to its end, as a test does with a script or a program of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).parent


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it in this folder, whose modules a script can import therefore."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROGRAMS,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
