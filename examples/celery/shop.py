"""Celery tasks that track customers and orders: celery --app shop worker."""

from __future__ import annotations

import os

from celery import Celery

import track

app = Celery("shop", broker=os.environ.get("SHOP_BROKER", "redis://127.0.0.1"))
app.conf.task_ignore_result = True

track.strict = False  # what cannot be tracked is logged, and the task goes on
track.flush_interval = float(os.environ.get("SHOP_FLUSH_INTERVAL", track.flush_interval))


@app.task
def register(customer: str, phone: str) -> None:
    """Take a new customer."""
    track.identify(user_id=customer, phone_number=phone)


@app.task
def place_order(customer: str, order: str, total: int) -> None:
    """Take an order."""
    track.event(
        user_id=customer,
        event="Order Placed",
        traits={"order_id": order, "total": total},
    )
