"""Orders for the worker of `examples/celery`, and commands to it: one JSON list a line of stdin, its name first."""

from __future__ import annotations

import json
import os
import sys

from celery import Celery

app = Celery(broker=os.environ["SHOP_BROKER"])

for line in sys.stdin:
    name, *arguments = json.loads(line)
    if name == "restart":
        app.control.broadcast("pool_restart")
    else:
        app.send_task(f"shop.{name}", arguments)
    print("done", flush=True)
