"""The benchmark: measures this SDK beside others, round by round, and prints a table; `scripts/bench.sh` runs it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from plan import CASES, FOLDER, SDKS, SETTINGS
from processes import ProbeError, run_probe, serving
from report import compare, markdown_table, notes
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sdks import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from plan import Case

    Pythons = Mapping[str, str]
    """SDK -> the interpreter of its environment."""

TITLE = "# Side by side with the published SDK and its peers"


def measure(case: Case, variant: str, pythons: Pythons, seconds: float) -> dict[str, float]:
    """Return the figures of one case and variant, from a process and a server of their own."""
    sdk = SDKS[variant]
    with serving(latency=case.latency, hold_after=case.hold_after, limit=case.limit) as url:
        if case.measure is None:
            return run_probe(pythons[sdk], "first_call.py", sdk, url, *(["phone"] if case.phone else []))
        events = str(case.events(variant, seconds))
        with TemporaryDirectory() as folder:
            settings = [
                f"--setting={name}={json.dumps(value).replace(FOLDER, folder)}"
                for name, value in SETTINGS.get(variant, {}).items()
            ]
            return run_probe(pythons[sdk], "probe.py", case.measure, sdk, url, "--events", events, *settings)


def measure_round(
    cases: Sequence[Case], turn: int, pythons: Pythons, seconds: float, progress: Progress
) -> Iterable[tuple[tuple[str, str], dict[str, float]]]:
    """Yield the figures of each case and variant; who comes first changes from round to round."""
    for case in cases:
        variants = [variant for variant in case.variants if SDKS[variant] in pythons]
        order = variants[turn % len(variants) :] + variants[: turn % len(variants)]
        repeats: dict[str, list[dict[str, float]]] = defaultdict(list)
        for _ in range(case.repeats):
            for variant in order:
                progress.update(progress.task_ids[0], description=f"{case.name}: {variant}")
                repeats[variant].append(measure(case, variant, pythons, seconds))
                progress.advance(progress.task_ids[0])
        for variant, figures in repeats.items():
            yield (case.name, variant), {name: median(each[name] for each in figures) for name in figures[0]}


def measure_minutes(
    cases: Sequence[Case], pythons: Pythons, progress: Progress
) -> Iterable[tuple[tuple[str, str], dict[str, float]]]:
    """Yield the figures of each case that looks at whole minutes, and variant; they wait more than they work."""
    for case in cases:
        variants = [variant for variant in case.variants if SDKS[variant] in pythons]
        progress.update(progress.task_ids[0], description=f"{case.name}: {case.minutes} minutes")
        with ThreadPoolExecutor(len(case.variants)) as pool:
            running = {variant: pool.submit(measure, case, variant, pythons, 0.0) for variant in variants}
            for variant, measured in running.items():
                yield (case.name, variant), measured.result()
                progress.advance(progress.task_ids[0])


def describe_run(pythons: Pythons, rounds: int) -> str:
    """Return what the figures are from: machine and rounds, and no date."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {cores} cores, {platform.system()}; {rounds} rounds; beside {', '.join(sorted(pythons))}"


def parse_arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short rounds, good for the order of magnitude")
    parser.add_argument("--rounds", type=int, help="how often everything is measured (5; quick: 2)")
    parser.add_argument("--seconds", type=float, help="about how long one measurement takes (3; quick: 0.4)")
    parser.add_argument(
        "--only", action="append", choices=[case.name for case in CASES], help="one case; may be repeated"
    )
    parser.add_argument(
        "--python", action="append", required=True, metavar="SDK=PATH", help=f"interpreters of: {', '.join(MODULES)}"
    )
    parser.add_argument("--output", type=Path, help="write the table there too, as Markdown")
    return parser.parse_args()


def main() -> int:
    """Measure, print the table, and write it where asked to."""
    arguments = parse_arguments()
    pythons = dict(text.split("=", 1) for text in arguments.python)
    rounds = arguments.rounds or (2 if arguments.quick else 5)
    seconds = arguments.seconds or (0.4 if arguments.quick else 3.0)
    wanted = [case for case in CASES if not arguments.only or case.name in arguments.only]
    cases = [case for case in wanted if not case.minutes]
    in_minutes = [case for case in wanted if case.minutes]
    if arguments.quick:
        cases = [replace(case, repeats=1) for case in cases]
        for case in in_minutes:
            print(f"not measured, it takes {case.minutes} minutes: {case.name}", file=sys.stderr)
        in_minutes = []
    in_round, once = (
        sum(case.repeats * sum(SDKS[variant] in pythons for variant in case.variants) for case in some)
        for some in (cases, in_minutes)
    )

    results: defaultdict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        progress.add_task("", total=rounds * in_round + once)
        try:
            for turn in range(rounds if cases else 0):
                for key, figures in measure_round(cases, turn, pythons, seconds, progress):
                    results[key].append(figures)
                progress.console.print(f"round {turn + 1} of {rounds} is done")
            for key, figures in measure_minutes(in_minutes, pythons, progress):
                results[key].append(figures)
        except ProbeError as error:
            print(error, file=sys.stderr)
            return 1

    table = markdown_table(compare(results))
    print(table)
    if arguments.output:
        text = f"{TITLE}\n\n{describe_run(pythons, rounds)}\n\n{table}\n\n{notes(results)}"
        arguments.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
