"""A Celery application tracking in its tasks; run by `tests/test_celery.py`.

Run as a program it queues what its input says, such as `place 1 2 3`.
"""

from __future__ import annotations

import os
import signal
import sys

from celery import Celery

import track

track.write_key = "test-key"
track.flush_interval = float(os.environ["SHOP_FLUSH_INTERVAL"])

for number in range(int(os.environ["SHOP_IMPORT_EVENTS"])):
    track.event(user_id=f"import-{number}", event="Shop Imported", traits={"number": number, "pid": os.getpid()})

app = Celery("shop_tasks", broker=os.environ["SHOP_BROKER"])
app.conf.update(
    task_ignore_result=True,
    worker_lost_wait=0.5,  # seconds it waits for a result of a killed child
)


@app.task
def place(number: int) -> None:
    track.event(user_id=f"user-{number}", event="Order Placed", traits={"number": number, "pid": os.getpid()})


@app.task
def crash(number: int) -> None:
    track.event(user_id=f"user-{number}", event="Order Lost", traits={"number": number, "pid": os.getpid()})
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    for line in sys.stdin:
        name, *numbers = line.split()
        for number in map(int, numbers):
            app.tasks[f"shop_tasks.{name}"].delay(number)
