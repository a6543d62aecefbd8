"""A shop that tracks its orders and serves its metrics: python shop.py [PORT]."""

from __future__ import annotations

import sys

from interakt_metrics import InteraktCollector
from prometheus_client import REGISTRY, start_http_server

import track


def main() -> None:
    """Place an order for each line of stdin, until it ends: "CUSTOMER TOTAL"."""
    REGISTRY.register(InteraktCollector())
    server, _ = start_http_server(int(sys.argv[1]) if len(sys.argv) > 1 else 9464, addr="127.0.0.1")
    print(f"metrics: http://127.0.0.1:{server.server_port}/metrics", flush=True)

    track.strict = False  # a line that cannot be sent is counted
    for line in sys.stdin:
        customer, _, total = line.strip().partition(" ")
        track.event(user_id=customer, event="Order Placed", traits={"total": total})


if __name__ == "__main__":
    main()
