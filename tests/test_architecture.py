"""Who may import whom, and what every room looks like.

Ruff (TID251 in pyproject.toml) stops a wrong import of HTTP or the generated client while it is written. The rules
between our own rooms are read from the syntax trees here, so an import inside a function counts too. What stands under
`if TYPE_CHECKING` is knowledge of a type, not of a room, and is free.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "interakt_track"
FOLDERS = ("benchmarks", "docs", "examples", "interakt_track", "pytest_interakt_track", "scripts", "tests", "track")
OURS = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

HTTP_ROOMS = {"__init__", "_async_sender", "_attempt", "_http", "_network", "_requests", "_sender"}
SERVING = {"sandbox._board", "sandbox._connection", "sandbox._server", "sandbox._stream"}
ONLY_IMPORTED_BY = {
    "_async_client": {"_late"},
    "_async_engine": {"_async_client"},
    "_async_sender": {"_async_client", "_async_worker"},
    "_async_worker": {"_async_engine"},
    "_client": {"__init__", "_default", "_postponed"},
    "_database": {"_access", "_salvage", "_spool_file"},
    "_default": {"__init__"},
    "_engine": {"_client"},
    "_postponed": {"django._commit"},
    "_queue": {"_engine"},
    "_sender": {"_async_sender", "_engine"},
    "_spool": {"_engine"},
    "_worker": {"_engine"},
    "httpcore": HTTP_ROOMS,
    "httpx": HTTP_ROOMS,
    "asyncio": {
        "_async_client",
        "_async_engine",
        "_async_sender",
        "_async_worker",
        "_turns",
        "serverless",
        "testing._guard",
        *SERVING,
    },
    "openpyxl": {"importing._workbook"},
    "interakt_track_client": HTTP_ROOMS,
    "sqlite3": {"_database", "_sqlite_errors"},
}

EFFECTS = {"asyncio", "logging", "os", "socket", "sqlite3", "threading", "time"}
HTTP = {"http", "socket", "ssl", "urllib", "_http", "_network"}
THREADS = {"concurrent", "threading", "_queue", "_threads", "_worker"}
MAY_NOT_IMPORT = {
    "_backlog": EFFECTS,
    "_order": EFFECTS,
    "_phone": EFFECTS,
    "_queue": HTTP | {"_sender"},
    "_rate_limit": EFFECTS,
    "_retry": EFFECTS,
    "_sender": THREADS,
    "_worker": HTTP,
}

FACE_MAY_IMPORT = {
    "_client",
    "_default",
    "_errors",
    "_http",  # for `api_client()`
    "_late",  # for the names that bring sqlite3, or asyncio
    "_published",
    "_receipt",
    "_settings",
    "_stats",
    "_version",
}
GUESTS_MAY_IMPORT = {
    "__main__": {"cli"},
    "cli": {"cli", "importing", "sandbox"},
    "client": {"_published"},
    "django": {  # what a setting may be, to check each alone; calls that wait for the commit
        "_postponed",
        "_settings",
        "cli",
        "django",
    },
    "importing": {"_lease", "importing"},  # the lock of a file that is imported is one of the spool's
    "opentelemetry": set(),
    "request": {"_published"},
    "sandbox": {"sandbox"},
    "serverless": set(),
    "testing": {"_recording", "testing"},  # a capture takes messages where they would be queued
    "version": {"_published"},
}
"""Rooms that use the public face as a user would, and which others of ours each may import beside it."""

NO_NOUNS = {"base", "common", "core", "helpers", "misc", "util", "utils"}
SILENCER = re.compile(r"#\s*(?:noqa|type:\s*ignore|pyright:\s*ignore|pragma:)")
REASONED_SILENCER = re.compile(
    r"#\s*(?:noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*|(?:type|pyright): ignore\[[\w, -]+\]|pragma: no cover)[\s#-]+\w.{5,}"
)


class Import(NamedTuple):
    """One name that an import statement brings into a room."""

    room: str
    target: str
    """A room of ours (`_queue`, `cli.demo`, `__init__` for the face), or the first part of a foreign module's name."""
    line: int

    def __str__(self) -> str:
        return f"{self.room} imports {self.target} (line {self.line})"


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


ROOMS = {room_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def target_of(module: str, name: str = "") -> str:
    """Return what `import module` or `from module import name` reaches for."""
    package, _, room = module.partition(".")
    if package not in ("interakt_track", "track"):
        return f"{package} itself" if package in ROOMS else package  # a room may be named after whom it is for
    inner = f"{room}.{name}".strip(".")
    return inner if inner in ROOMS else room or "__init__"


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk everything that runs: all but what stands under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from statements(child)


def imports_of(room: str, path: Path) -> Iterator[Import]:
    package = ("interakt_track", *path.relative_to(PACKAGE).parts[:-1])
    for node in statements(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(room, target_of(alias.name), node.lineno)
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, node.module)) if node.module else ".".join(above)
            for alias in node.names:
                yield Import(room, target_of(module, alias.name), node.lineno)


IMPORTS = [found for room, path in ROOMS.items() for found in imports_of(room, path)]


def told(found: Iterable[Import]) -> list[str]:
    return sorted({str(one) for one in found})


def test_no_room_imports_one_that_imports_it() -> None:
    graph: dict[str, set[str]] = {room: set() for room in ROOMS}
    for found in IMPORTS:
        if found.target in ROOMS and found.target != found.room:
            graph[found.room].add(found.target)

    TopologicalSorter(graph).prepare()  # CycleError shows the cycle

    assert any(graph.values())


def test_the_face_imports_only_the_rooms_whose_names_it_shows() -> None:
    from_face = [found for found in IMPORTS if found.room == "__init__" and found.target in ROOMS]

    assert told(found for found in from_face if found.target not in FACE_MAY_IMPORT) == []


def test_a_room_is_entered_only_from_those_that_may() -> None:
    guarded = [found for found in IMPORTS if found.target in ONLY_IMPORTED_BY]

    assert guarded
    assert told(found for found in guarded if found.room not in ONLY_IMPORTED_BY[found.target]) == []


def test_pure_rooms_have_no_effects_threads_no_http_and_http_no_threads() -> None:
    assert told(found for found in IMPORTS if found.target in MAY_NOT_IMPORT.get(found.room, ())) == []


def test_terminal_sandbox_and_the_old_names_use_the_public_face_only() -> None:
    def is_inside(found: Import) -> bool:
        may_import = GUESTS_MAY_IMPORT.get(found.room.split(".")[0])
        return may_import is not None and found.target.split(".")[0] in ROOMS.keys() - may_import - {"__init__"}

    assert told(filter(is_inside, IMPORTS)) == []


def test_generated_code_imports_nothing_of_ours() -> None:
    generated = sorted((ROOT / "generated").rglob("*.py"))
    ours = re.compile(r"^\s*(?:import|from) (?:interakt_track|track)\b", re.MULTILINE)

    assert generated
    assert [path.name for path in generated if ours.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_says_what_it_holds_and_holds_one_thing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    summary = (ast.get_docstring(tree_of(path)) or "").partition("\n")[0]

    assert summary.endswith((".", ":")), "the first docstring line says what the module holds"
    assert len(text.splitlines()) < 400 or path.parent.name == "tests", (
        "a module worries at 250 lines and splits before 400"
    )
    assert path.stem.strip("_") not in NO_NOUNS, "a module is the noun of its one concept"


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_function_and_class_has_a_docstring(room: str) -> None:
    def without(body: list[ast.stmt]) -> Iterator[str]:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name[0] == "_":
                continue
            if not ast.get_docstring(node) and "overload" not in map(ast.unparse, node.decorator_list):
                yield f"{node.name} (line {node.lineno})"
            if isinstance(node, ast.ClassDef) and not node.bases:  # what a base class declares is documented there
                yield from without(node.body)

    assert list(without(tree_of(ROOMS[room]).body)) == []


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_silenced_check_has_its_reason_on_the_same_line(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()

    silenced = [number for number, line in enumerate(lines, 1) if SILENCER.search(line)]

    assert [number for number in silenced if not REASONED_SILENCER.search(lines[number - 1])] == []


PAYS_LATER = {
    "__main__",  # a program of its own
    "_locks",  # the lock itself
    "_published",  # asked of old names
    "_receipt",  # ours, and loaded
}


@pytest.mark.parametrize("room", sorted(room for room in ROOMS if "." not in room and room not in PAYS_LATER))
def test_a_late_import_is_under_the_lock_that_forks_wait_for(room: str) -> None:
    def late(node: ast.AST, is_late: bool, is_locked: bool) -> Iterator[int]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom) and is_late and not is_locked:
                yield child.lineno
            holds = isinstance(child, ast.With) and any("IMPORT_LOCK" in ast.unparse(i) for i in child.items)
            yield from late(child, is_late or isinstance(child, ast.FunctionDef), is_locked or holds)

    assert list(late(tree_of(ROOMS[room]), False, False)) == []


def test_files_that_are_named_for_how_they_are_run_are_there() -> None:
    """One that is named in vain would run late, or with every Python."""
    order = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    once = re.findall(
        r"^once=.*?\{(.+?)\}", (ROOT / "scripts" / "environment.sh").read_text(encoding="utf-8"), re.MULTILINE
    )
    names = [
        *re.findall(r'"(\w+)"', order[order.index("SLOWEST = (") : order.index('"""The files')]),
        *once[0].split(","),
    ]

    assert len(names) > 20
    assert [name for name in names if not (ROOT / "tests" / f"test_{name}.py").exists()] == []
