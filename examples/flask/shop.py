"""A Flask shop that tracks its customers and orders: gunicorn "shop:create_app()"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, request

import track

Answer = tuple[dict[str, Any], int]


def create_app() -> Flask:
    """Return the application; the environment has `SHOP_INTERAKT__RATE_LIMIT=300`."""
    app = Flask(__name__)
    app.config["INTERAKT"] = {"STRICT": False}  # bad data breaks no request
    app.config.from_prefixed_env("SHOP")
    configure_tracking(app.config["INTERAKT"])
    app.post("/customers")(register)
    app.post("/orders")(place_order)
    return app


def configure_tracking(settings: Mapping[str, object]) -> None:
    """Take the settings of `track`, in capitals as Flask's are."""
    for name, value in settings.items():
        setattr(track, name.lower(), value)


def register() -> Answer:
    """Take a new customer: `{"id": …, "phone": …, "name": …}`."""
    customer = request.get_json()
    track.identify(
        user_id=customer["id"],
        phone_number=customer["phone"],
        traits={"name": customer["name"]},
    )
    return {"id": customer["id"]}, 201


def place_order() -> Answer:
    """Take an order: `{"customer": …, "id": …, "total": …}`."""
    order = request.get_json()
    track.event(
        user_id=order["customer"],
        event="Order Placed",
        traits={"order_id": order["id"], "total": order["total"]},
    )
    return {"id": order["id"]}, 201
