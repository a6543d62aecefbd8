"""What the published SDK does where ours differs: `defects.py NAME URL` prints, as JSON, what was seen.

Each function is one defect. It ends the process itself, which the SDK would keep alive.
"""

import json
import os
import sys
from datetime import datetime
from functools import partial

import track


def raised_by(function):
    """Return the name of what a call raises, None for nothing."""
    try:
        function()
    except Exception as error:  # noqa: BLE001 - whatever it raises is what was asked for
        return type(error).__name__
    return None


def report(error, queue_msg):
    """Keep what `on_error` is told."""
    reported.append((type(error).__name__, queue_msg))


reported = []


def joining():
    for i in range(20):
        track.event(user_id="u1", event="Order Placed", traits={"i": i})
    track.join()
    return track.default_client.queue.qsize()


def sync_mode_ending():
    track.sync_mode = True
    track.event(user_id="u1", event="Order Placed")
    return [raised_by(track.join), raised_by(track.shutdown)]


def raising_on_error():
    def on_error(_error, _queue_msg):
        raise ZeroDivisionError

    track.on_error = on_error
    track.event(user_id="u1", event="refused")
    track.default_client.consumer.join(10)
    accepted, _ = track.event(user_id="u1", event="never sent")
    return [accepted, track.default_client.consumer.is_alive()]


def list_for_an_error_body():
    track.sync_mode = True
    return raised_by(partial(track.event, user_id="u1", event="Order Placed"))


def retried_refusal():
    track.max_retries = 1
    track.on_error = report
    track.event(user_id="u1", event="Order Placed")
    track.flush()
    return [name for name, _ in reported]


def times():
    now = datetime.now()
    track.max_retries = 0
    track.on_error = report
    track.user(user_id="u1", traits={"since": now})
    track.flush()
    return [raised_by(partial(track.user, user_id="u1", created_at=now)), [name for name, _ in reported]]


def bad_input():
    return [
        raised_by(partial(track.event, user_id=0, event="Order Placed")),
        raised_by(partial(track.event, user_id="u1")),
        raised_by(partial(track.user, phone_number=9876543210)),
        raised_by(partial(track.user, phone_number="+919876543210")),
        raised_by(partial(track.user, user_id=True)),
    ]


def late_snapshot():
    order = {"state": "placed"}
    track.event(user_id="u1", event="slow")
    track.event(user_id="u1", event="Order", traits=order)
    order["state"] = "changed after the call"
    track.flush()


def shared_default():
    _, queue_msg = track.user(user_id="u1")
    queue_msg["body"]["traits"]["of"] = "u1"
    track.user(user_id="u2")
    track.flush()


def one_at_a_time():
    for i in range(8):
        track.event(user_id=f"u{i}", event="Order Placed")
    track.flush()


def call_after_shutdown():
    track.event(user_id="u1", event="before")
    track.shutdown()
    accepted, _ = track.event(user_id="u1", event="after")
    return [accepted, track.default_client.consumer.is_alive()]


def never_ending():
    track.event(user_id="u1", event="Order Placed")


name, track.host = sys.argv[1:]
track.api_key = "test-key"
seen = globals()[name]()
if name != "never_ending":
    print(json.dumps(seen), flush=True)
    os._exit(0)
