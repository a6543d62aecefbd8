"""How faults are asked for on the command line: the words of the help, and their reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from interakt_track.sandbox import parse_faults

if TYPE_CHECKING:
    from interakt_track.sandbox import FaultPlan

PLANS = {"growth": 300, "advanced": 600}
"""Requests a minute that Interakt's plans allow."""

HELP = """\b
FAULTS is a list such as "5xx=5%,reset=0.01,latency=50ms":
  latency, jitter       time every answer takes, and what is randomly added
  503, 400, 401, ...    answer with this status, this often (0.05 or 5%)
  5xx                   one of 500, 502, 503 and 504
  html, empty, garbage, broken-json, json-list, bad-gzip, false-result
                        an odd body; html-502 and the like set the status too
  reset, close, hang    no answer; reset-received and others keep the message
  slow, slow-head, truncate, not-http, redirect, reset-early
                        an answer as bad networks give it
  rate, period, window  429 beyond so many requests: rate=300,window=sliding
  retry-after=yes       say in that 429 when to come back
  seed                  the same random choices each time: seed=7
"""


def chance(text: str) -> str:
    """Return how often something happens, as `read_faults` takes it."""
    try:
        parse_faults(f"5xx={text}")
    except ValueError:
        raise click.BadParameter(f"{text!r} is no chance: 5% or 0.05, and 100% or 1 at most") from None
    return text


def read_faults(*specs: str | None) -> FaultPlan:
    """Return the plan that several options spell together.

    Args:
        specs: Each as `parse_faults` reads it; None for an option that was not given.

    Raises:
        click.UsageError: They cannot be read, or contradict each other.
    """
    try:
        return parse_faults(",".join(filter(None, specs)))
    except ValueError as error:
        raise click.UsageError(f"the faults cannot be read: {error}") from error
