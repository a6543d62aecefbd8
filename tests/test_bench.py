"""The benchmark: every case gives figures, and the table says what is reached; nothing here is about speed."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
NAMES = ("sdks", "plan", "processes", "report")


@pytest.fixture
def report() -> Iterator[Any]:
    """The module, loaded as its own programs load it: from its folder, beside those it imports."""
    yield from loaded("report")


@pytest.fixture
def processes() -> Iterator[Any]:
    """The module that runs servers and probes."""
    yield from loaded("processes")


def loaded(name: str) -> Iterator[Any]:
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module(name)
    sys.path.remove(str(FOLDER))
    for each in NAMES:
        sys.modules.pop(each, None)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / program), *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def cells(table: str, title: str) -> list[str]:
    (row,) = [line for line in table.splitlines() if line[1:].partition("|")[0].strip() == title]
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


@pytest.mark.timeout(180)
def test_a_tiny_run_of_every_case_fills_the_table(tmp_path: Path, report: Any) -> None:
    """Ours stands in for the published SDK too, whose calls it takes: no other environment is needed."""
    output = tmp_path / "results.md"

    ran = run(
        "bench.py",
        *("--quick", "--rounds", "1", "--seconds", "0.1", "--output", str(output)),
        *("--python", f"ours={sys.executable}", "--python", f"published={sys.executable}"),
    )

    assert ran.returncode == 0, ran.stderr
    assert "not measured, it takes 3 minutes: ration" in ran.stderr
    for row in report.ROWS:
        if row.case == "ration":
            continue
        _, ours, published, ratio, *_ = cells(ran.stdout, row.title)
        if row.case == "restart":
            assert (ours != "–", published) == (True, "–"), row.title  # nobody else has a file to begin with
            continue
        assert "–" not in (ours, published, ratio), row.title
    assert ran.stdout.strip() in output.read_text(encoding="utf-8")


def test_a_probe_that_fails_ends_the_run_and_is_told() -> None:
    ran = run("bench.py", "--rounds", "1", "--only", "first call", "--python", f"segment={sys.executable}")

    assert ran.returncode == 1
    assert "No module named 'segment'" in ran.stderr


@pytest.mark.parametrize(
    ("settings", "least", "most", "is_refused"),
    [((), 0.0, 1.0, True), (("--setting=rate_limit=30",), 0.0, 0.5, False)],
    ids=["no rate_limit", "rate_limit"],
)
def test_the_ration_is_what_a_minute_made_of_it_and_what_was_refused(
    processes: Any, settings: tuple[str, ...], least: float, most: float, is_refused: bool
) -> None:
    with processes.serving(limit=20, minute=1.0) as url:
        figures = processes.run_probe(sys.executable, "probe.py", "ration", "ours", url, "--events", "60", *settings)

    assert least <= figures["used"] <= most
    assert is_refused is (figures["refused"] > 0)


@pytest.mark.parametrize(("used", "refused", "are_reached"), [(0.97, 0.0, (True, True)), (0.969, 0.5, (False, False))])
def test_some_targets_are_for_the_figure_itself(
    report: Any, used: float, refused: float, are_reached: tuple[bool, bool]
) -> None:
    ours = [{"used": used, "refused": refused}]
    published = [{"used": 0.05, "refused": 0.0}]

    lines = report.compare(
        {("ration", "ours, max_workers=32, rate_limit=600"): ours, ("ration", "published"): published}
    )

    assert are_reached == tuple(line.is_reached for line in lines)
    assert lines[1].ratio is None  # of nothing there is no ratio


def test_a_ratio_is_the_median_of_the_rounds_own_ratios(report: Any) -> None:
    ours = [{"p50": 1.0}, {"p50": 8.0}, {"p50": 3.0}]
    published = [{"p50": 2.0}, {"p50": 10.0}, {"p50": 3.0}]

    (line,) = report.compare({("scattered calls", "ours"): ours, ("scattered calls", "published"): published})

    assert (line.ours, line.published, line.ratio) == (3.0, 3.0, 0.8)


@pytest.mark.parametrize(
    ("case", "figure", "value", "is_reached"),
    [
        ("memory", "bytes", 50.0, True),
        ("memory", "bytes", 50.1, False),
        ("delivery at 50 ms", "rate", 700.0, True),
        ("delivery at 50 ms", "rate", 699.0, False),
        ("delivery at 0 ms", "rate", 1.0, None),
    ],
)
def test_a_target_is_reached_at_the_ratio_it_names(
    report: Any, case: str, figure: str, value: float, is_reached: bool | None
) -> None:
    others = {"cpu": 1.0, "connections": 1.0}
    results = {(case, "ours"): [{figure: value, **others}], (case, "published"): [{figure: 100.0, **others}]}

    line = next(line for line in report.compare(results) if line.row.figure == figure)

    assert is_reached is line.is_reached


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("call",), "snapshot"),
        (("call", "--phone"), "phone number"),
        (("send",), "sync_detailed"),
        (("import",), "interakt_track._client"),
        (("import", "--phone"), "interakt_track._phone"),
    ],
)
def test_a_profile_names_what_costs(arguments: tuple[str, ...], shown: str) -> None:
    ran = run("profile_call.py", *arguments, "--number", "50")

    assert ran.returncode == 0, ran.stderr
    assert shown in ran.stdout
