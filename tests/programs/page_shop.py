"""A morning in an invented shop in India, sent to a sandbox: what the page's pictures show.

Run as a program, it makes the README's picture anew.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from interakt_track.sandbox import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

USERS = "/v1/public/track/users/"
EVENTS = "/v1/public/track/events/"
PICTURE = Path(__file__).parents[2] / "docs" / "sandbox-page.png"

CUSTOMERS = (  # invented; numbers that begin with 555 are no mobile numbers in India
    ("Asha Verma", "Jaipur"),
    ("Rohan Iyer", "Chennai"),
    ("Meera Nair", "Kochi"),
    ("Kabir Khanna", "Delhi"),
    ("Divya Reddy", "Hyderabad"),
    ("Arjun Das", "Kolkata"),
    ("Farah Sheikh", "Lucknow"),
    ("Nikhil Joshi", "Pune"),
    ("Ananya Bose", "Kolkata"),
    ("Ishaan Gill", "Amritsar"),
    ("Lakshmi Rao", "Mysuru"),
    ("Tenzin Lepcha", "Gangtok"),
)
PRODUCTS = (
    ("Handloom cotton saree", 3499),
    ("Masala chai, 250 g", 249),
    ("Brass diya lamp", 1299.5),
    ("Steel tiffin, three tier", 799.25),
    ("Cricket bat, Kashmir willow", 1899),
)


def send_morning(url: str, *, pace: float = 0.0) -> None:
    """Send what the customers of the morning do; some of it is refused.

    Args:
        url: The sandbox's.
        pace: Seconds from one request to the next, on average.
    """
    dice = random.Random(20251018)

    def wait(_: httpx.Request) -> None:
        time.sleep(dice.expovariate(1.0) * pace)

    with httpx.Client(base_url=url, auth=("any-key", ""), event_hooks={"request": [wait]}) as api:
        for number, (name, city) in enumerate(CUSTOMERS):
            _send_visit(api, number, name, city)
        api.post(USERS, json={"userId": "customer-1003", "traits": {"City": "Gurugram", "Orders": 4}})
        order = {"order": "A-2044", "courier": "Blue Kite"}
        delivered = {"userId": "customer-1003", "event": "Order Delivered", "traits": order}
        api.post(EVENTS, json={**delivered, "createdAt": "2025-10-21T11:20:00.000Z"})
        api.post(EVENTS, json={"userId": "customer-1002", "traits": {"order": "A-2050"}})
        tara = {"name": "Tara Menon", "City": "Thrissur"}
        phone = {"countryCode": "91", "phoneNumber": "55501 00013"}
        api.post(USERS, json={"userId": "customer-1013", **phone, "traits": tara, "tags": ["newsletter", 7]})
        api.post(EVENTS, json={"userId": "customer-1004", "event": "Cart Abandoned", "traits": {"total": 1299.5}})


def _send_visit(api: httpx.Client, number: int, name: str, city: str) -> None:
    user_id = f"customer-{1000 + number}"
    product, price = PRODUCTS[number % len(PRODUCTS)]
    customer = {
        "userId": user_id,
        "countryCode": "+91",
        "phoneNumber": f"55501{number:05}",
        "traits": {
            "name": name,
            "City": city,
            "email": f"{name.lower().partition(' ')[0]}@shop.example",
            "Orders": number % 4,
            "Newsletter": number % 3 == 0,
        },
        "tags": ["diwali-2025", "newsletter"][: 1 + number % 2],
        "createdAt": f"2025-10-18T04:{number:02}:11.000Z",
    }
    seen = {"product": product, "price": price}
    api.post(USERS, json=customer)
    api.post(EVENTS, json={"userId": user_id, "event": "Product Viewed", "traits": seen})
    if number % 2:
        api.post(EVENTS, json={"userId": user_id, "event": "Product Added", "traits": {**seen, "quantity": 1}})
    if number % 3 == 0:
        order = {"order": f"A-{2041 + number}", "total": price, "items": [product], "cash on delivery": False}
        api.post(EVENTS, json={"userId": user_id, "event": "Order Placed", "traits": order})


def open_page(browser: Browser, url: str, place: str = "", **options: object) -> Page:
    """Open the page in a window of its own; `options` are those of a browser context."""
    page = browser.new_context(**{"reduced_motion": "reduce", **options}).new_page()
    page.goto(f"{url}/{place}")
    page.wait_for_selector('#live[data-state="live"]')
    return page


def make_picture(browser: Browser, path: Path, *, pace: float = 0.0) -> None:
    """Make the README's picture: a person, and a request that was refused with the reason in its body.

    Args:
        browser: In a window of its own.
        path: Of the PNG file.
        pace: As in `send_morning`.
    """
    with Sandbox(page=True, port=8765, faults="rate=300") as sandbox:
        send_morning(sandbox.url, pace=pace)
        refused = max(request.number for request in sandbox.requests if request.status == 400)
        place = f"#person=4&request={refused}"
        page = open_page(browser, sandbox.url, place, viewport={"width": 1240, "height": 700})
        page.wait_for_selector("#detail .reasons")
        page.wait_for_selector("#people li:nth-child(12)")
        page.screenshot(path=path)
        page.context.close()


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent))
    from browser import open_browser

    with open_browser() as chromium:
        make_picture(chromium, PICTURE, pace=1.2)  # so that the chart has something to show
