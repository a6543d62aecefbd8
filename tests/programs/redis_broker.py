"""A Redis of the test's own, as Celery's broker: in a folder as broker, a worker can meet a message half written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from waiting import wait_until

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None and not os.environ.get("CI"),
    reason="there is no Redis; scripts/install_system_parts.sh brings it",
)


@contextmanager
def serving_redis() -> Iterator[str]:
    """Serve for the time of the block, at a path that is short enough for a socket; give the broker's URL."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "redis"
        settings = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", folder]
        with subprocess.Popen(["redis-server", *settings], stdout=subprocess.DEVNULL) as server:
            try:
                wait_until(path.exists)
                yield f"redis+socket://{path}"
            finally:
                server.terminate()
