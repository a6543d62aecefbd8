"""A function behind an API Gateway that tracks the orders it is given; its handler is `orders.handler`."""

from __future__ import annotations

import json
from typing import Any

import track
from interakt_track.serverless import flushing

track.strict = False  # an order that cannot be tracked is logged, and still an order


@flushing(timeout=5)  # whoever placed the order waits for the answer
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Take an order: `{"customer": …, "phone": …, "order": …, "total": …}`."""
    order = json.loads(event["body"])
    track.identify(user_id=order["customer"], phone_number=order["phone"])
    track.event(
        user_id=order["customer"],
        event="Order Placed",
        traits={"order_id": order["order"], "total": order["total"]},
    )
    return {"statusCode": 201, "body": json.dumps({"order": order["order"]})}
