"""Gunicorn's configuration in `tests/test_gunicorn.py`: says when a worker handles signals and serves."""

from typing import Any


def post_worker_init(worker: Any) -> None:
    worker.log.info("Worker ready")
