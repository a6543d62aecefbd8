"""A FastAPI shop that tracks its customers and orders: uvicorn shop:app --workers 2."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel

import track


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Configure what tracks, and send what waits when the server stops."""
    track.strict = False  # what cannot be tracked is logged, and the customer is served
    track.flush_interval = float(os.environ.get("SHOP_FLUSH_INTERVAL", track.flush_interval))
    yield
    await asyncio.to_thread(track.shutdown)  # it blocks, for at most `shutdown_timeout`


app = FastAPI(lifespan=lifespan)


class Customer(BaseModel):
    """Who registers."""

    id: str
    phone: str
    name: str


class Order(BaseModel):
    """What somebody buys."""

    customer: str
    id: str
    total: int


@app.post("/customers", status_code=201)
async def register(customer: Customer) -> Customer:
    """Take a new customer; a call of `track` returns in microseconds, so it may stand in a coroutine."""
    track.identify(
        user_id=customer.id,
        phone_number=customer.phone,
        traits={"name": customer.name},
    )
    return customer


@app.post("/orders", status_code=201)
async def place_order(order: Order) -> Order:
    """Take an order."""
    track.event(
        user_id=order.customer,
        event="Order Placed",
        traits={"order_id": order.id, "total": order.total},
    )
    return order
