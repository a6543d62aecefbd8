"""Importing customers and events from a file: read, checked as a whole, then sent through a spool beside it."""

from __future__ import annotations

from ._calls import Calls, RowError
from ._check import Findings, Group, check, masked_shape
from ._columns import Plan, make_plan
from ._feeder import Feeder
from ._formats import open_table
from ._job import Job
from ._mapping import Mapping, Subject
from ._places import Places, keep_input
from ._presets import PRESETS
from ._rejected import Rejected
from ._state import State
from ._table import ImportFileError, Table

__all__ = [
    "PRESETS",
    "Calls",
    "Feeder",
    "Findings",
    "Group",
    "ImportFileError",
    "Job",
    "Mapping",
    "Places",
    "Plan",
    "Rejected",
    "RowError",
    "State",
    "Subject",
    "Table",
    "check",
    "keep_input",
    "make_plan",
    "masked_shape",
    "open_table",
]
