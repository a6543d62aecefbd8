"""One process: how long importing an SDK takes, and how long until its first call has returned.

    first_call.py SDK URL [phone]

Prints both, in seconds since the start of the import. Only ours and the published SDK know phone numbers.
"""

import os
import sys
from time import perf_counter

from sdks import connect, load

sdk, url, *who = sys.argv[1:]

started = perf_counter()
module = load(sdk)
imported = perf_counter()
event, _ = connect(sdk, module, url)
if who:
    module.event(event="Order Placed", traits={"total": 1499}, phone_number="9876543210")
else:
    event("u1", "Order Placed", {"total": 1499})
called = perf_counter()

print(f'{{"import": {imported - started}, "first_call": {called - started}}}', flush=True)
os._exit(0)  # the published SDK would never end by itself
