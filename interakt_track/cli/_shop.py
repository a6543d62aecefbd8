"""The shop of the demo: invented customers, and the calls that their day makes."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ._calls import Call, Person

if TYPE_CHECKING:
    from collections.abc import Iterator

IST = timezone(timedelta(hours=5, minutes=30))
OPENING = datetime(2025, 10, 18, 9, 30, tzinfo=IST)
SEED = 20251018  # the same day each time, so that two runs can be compared

NAMES = (  # each is a first name and the word "example"
    "Asha Example",
    "प्रिया उदाहरण",
    "José Ejemplo",
    "Zoë Beispiel",
    "தமிழ் எடுத்துக்காட்டு",
    "Łucja Przykład",
    "أمينة مثال",
    "李 例子",
    "Émilie Exemple",
    "Söze Örnek 🙂",
)
CITIES = ("Jaipur", "Kochi", "पुणे", "Chennai", "Shillong")
PRODUCTS = (
    ("Masala chai, 250 g", Decimal("249.00")),
    ("Brass दीया lamp", Decimal("1299.50")),
    ("Handloom cotton saree", Decimal(3499)),
    ("Cricket bat №5", Decimal("1899.99")),
    ('Steel tiffin "Three Tier"', Decimal("799.25")),
)

README_PERSON = Person(
    user_id="u1", phone_number="9876543210", country_code="+91", national_number="9876543210", traits={"name": "Asha"}
)
README_CALLS = (
    Call(person=README_PERSON, traits={"name": "Asha"}, with_phone=True),
    Call(person=README_PERSON, event="Product Added", traits={"price": 1499}),
)


def make_day(customers: int) -> list[Call]:
    """Return the README's calls and those of a day in the shop, in the order in which they are made.

    People's calls are mixed as they would be in a shop; each person's own keep their sense: first the sign-up, then
    what was looked at, put in the cart and ordered.

    Args:
        customers: How many people come; up to 1,000 have a phone number of their own.
    """
    dice = random.Random(SEED)
    days = [list(README_CALLS), *(list(_visit(_person(number), number, dice)) for number in range(customers))]
    turns = [number for number, calls in enumerate(days) for _ in calls]
    dice.shuffle(turns)
    remaining = [iter(calls) for calls in days]
    return [next(remaining[turn]) for turn in turns]


def _person(number: int) -> Person:
    """Return a customer whose phone number is nobody's, written in one of the ways people write theirs."""
    indian = f"55500{number:05}"  # mobile numbers in India begin with 6 to 9
    written: dict[int, tuple[str | int, str, str]] = {
        0: (indian, "+91", indian),
        1: (f"+91-55500-{number:05}", "+91", indian),
        2: (f"0 55500 {number:05}", "+91", indian),
        3: (int(indian), "+91", indian),
        4: (f"+44 7700 900{number:03}", "+44", f"7700900{number:03}"),  # Ofcom keeps them free for films
    }
    phone_number, country_code, national_number = written[number % 5]
    user_id: str | int | None = f"customer-{number:04}"
    if number % 8 == 5:
        user_id = None  # ordered as a guest
    elif number % 8 == 7:
        user_id = number
    return Person(
        user_id=user_id,
        phone_number=phone_number,
        country_code=country_code,
        national_number=national_number,
        traits={
            "name": NAMES[number % len(NAMES)],
            "email": f"customer.{number}@shop.example",
            "City": CITIES[number % len(CITIES)],
            "birthday": date(1970 + number % 30, 1 + number % 12, 1 + number % 28),
            "newsletter": number % 3 == 0,
        },
    )


def _visit(person: Person, number: int, dice: random.Random) -> Iterator[Call]:
    now = OPENING + timedelta(minutes=number, milliseconds=dice.randrange(60_000))
    yield Call(
        person=person,
        traits={**person.traits, "signed_up_at": now},
        tags=("demo", "festival" if number % 2 else "regular"),
        created_at=now,
        with_phone=True,
    )
    seen = dice.sample(PRODUCTS, dice.randint(2, 4))
    for name, price in seen:
        yield Call(person=person, event="Product Viewed", traits={"product": name, "price": price})
    cart = seen[: dice.randint(1, 2)]
    for name, price in cart:
        yield Call(person=person, event="Product Added", traits={"product": name, "price": price, "quantity": 1})
    if number % 3 == 2:
        return
    total = sum((price for _, price in cart), Decimal(0))
    yield Call(
        person=person,
        event="Order Placed",
        traits=_order(number, cart, total, now + timedelta(minutes=12)),
        created_at=now + timedelta(minutes=12),
        with_phone=True,
    )
    yield Call(person=person, traits={"orders": 1})
    yield Call(person=person, traits={"spent": total, "last_order": f"ORDER-{number:04}"})


def _order(number: int, cart: list[tuple[str, Decimal]], total: Decimal, placed_at: datetime) -> dict[str, Any]:
    return {
        "order_id": f"ORDER-{number:04}",
        "items": [name for name, _ in cart],
        "total": total,
        "placed_at": placed_at,
        "delivery": {"city": CITIES[number % len(CITIES)], "express": number % 2 == 0},
        "coupon": None,
    }
