"""Exports of shops, in their exact form with invented people, imported by their presets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from words import words_of

from interakt_track.sandbox import Sandbox

DATA = Path(__file__).parent / "data"


@pytest.fixture(autouse=True)
def time_zone(surroundings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")


def imported(sandbox: Sandbox, preset: str, *options: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    name = f"{preset}.csv"
    shutil.copy(DATA / name, name)
    result = run("import", "users", name, "--preset", preset, "--rate-limit", "60000", "--json", *options)
    assert result.exit_code == 1, words_of(result)
    told: dict[str, Any] = json.loads(result.stdout)
    return told, sorted(sandbox.users, key=lambda body: str(body["traits"]["email"]), reverse=True)


def test_shopify_s_customers_arrive_as_they_are_meant(sandbox: Sandbox) -> None:
    told, people = imported(sandbox, "shopify-customers")

    assert people == [
        {
            "userId": "7001000000001",
            "countryCode": "+91",
            "phoneNumber": "9999900001",
            "tags": ["newsletter", "vip"],
            "traits": {
                "first_name": "Testina",
                "last_name": "Example",
                "email": "testina@example.com",
                "accepts_email_marketing": True,
                "address1": "1, Nowhere Road",
                "address2": "Flat 2",
                "city": "Imaginary City",
                "province": "MH",
                "country": "IN",
                "zip": "400000",
                "address_phone": "+91 99999 00001",
                "accepts_sms_marketing": False,
                "total_spent": 2499.5,
                "total_orders": 3,
                "tax_exempt": False,
            },
        },
        {
            "userId": "7001000000003",
            "traits": {
                "first_name": "Nobody",
                "last_name": "Atall",
                "email": "nobody@example.net",
                "accepts_email_marketing": False,
                "accepts_sms_marketing": False,
                "total_spent": 0.0,
                "total_orders": 0,
                "tax_exempt": False,
            },
        },
        {
            "userId": "7001000000002",
            "countryCode": "+1",
            "phoneNumber": "2025550142",
            "traits": {
                "first_name": "Demo",
                "last_name": "Person",
                "email": "demo@example.org",
                "accepts_email_marketing": False,
                "company": "Example & Sons",
                "address1": "2 Fiction Lane",
                "city": "Sampleville",
                "province": "TX",
                "country": "US",
                "zip": "00501",
                "accepts_sms_marketing": True,
                "total_spent": 0.0,
                "total_orders": 0,
                "note": 'Said "hello" once,\nthen left',
                "tax_exempt": True,
            },
        },
    ]
    ((reason),) = told["check"]["reasons"]
    assert (reason["rows"], reason["examples"]) == ([5], ["'+#######"])
    assert "too short" in reason["reason"]


def test_woocommerce_s_customers_arrive_and_guests_by_their_phone(sandbox: Sandbox) -> None:
    told, people = imported(sandbox, "woocommerce-customers")

    assert [(body.get("userId"), body.get("phoneNumber"), body.get("createdAt")) for body in people] == [
        ("testina", "9999900001", people[0]["createdAt"]),
        (None, "9999900002", None),
    ]
    assert people[0]["createdAt"].startswith("2024-01-31T")
    assert people[0]["traits"]["total_spend"] == 2499.5
    assert people[0]["traits"]["orders"] == 3
    assert people[0]["traits"]["country"] == "IN"
    assert people[1]["traits"]["shipping_phone"] == "+91 99999 00003"
    assert [(reason["rows"], reason["count"]) for reason in told["check"]["reasons"]] == [([4], 1)]


def test_an_option_is_stronger_than_a_preset(sandbox: Sandbox) -> None:
    options = (
        "--map",
        "Email=user_id",
        "--trait",
        "Customer ID=shopify_id",
        "--ignore",
        "Note",
        "--type",
        "Total Orders=text",
    )

    with_email = shutil.copy(DATA / "shopify-customers.csv", "shopify-customers.csv")
    result = run(
        "import", "users", with_email, "--preset", "shopify-customers", "--dry-run", "--json", "--show", *options
    )

    sample = json.loads(result.stdout)["check"]["samples"][0]["body"]
    assert sample["userId"] == "testina@example.com"
    assert sample["traits"]["shopify_id"] == "7001000000001"
    assert sample["traits"]["total_orders"] == "3"
    assert "email" not in sample["traits"]


def test_an_option_takes_a_field_from_the_preset_s_column(sandbox: Sandbox) -> None:
    name = shutil.copy(DATA / "shopify-customers.csv", "shopify-customers.csv")

    result = run(
        *("import", "users", name, "--preset", "shopify-customers", "--map", "Default Address Phone=phone_number"),
        *("--dry-run", "--json", "--show"),
    )

    first = json.loads(result.stdout)["check"]["samples"][0]["body"]
    assert first["phoneNumber"] == "9999900001"
    assert first["traits"]["Phone"] == "+919999900001"
    assert "address_phone" not in first["traits"]
