"""The words of the project, held against the project: the README's code runs, and its tables say what is there."""

import inspect
import os
import re
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import urldefrag

import pytest
from blocks import FENCE, Block, Run, blocks_of, calls_about_somebody, place
from command_line import parse

import interakt_track
from interakt_track._settings import Settings
from interakt_track.cli._shop import README_CALLS
from interakt_track.sandbox import parse_faults

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")])

BLOCKS = blocks_of(ROOT / "README.md")
PYTHON = [block for block in BLOCKS if block.language == "python"]
CONSOLE = [block for block in BLOCKS if block.language == "console"]
COMMANDS = sorted({command.partition(" #")[0].strip() for block in CONSOLE for command in block.commands})


def block_with(code: str) -> Block:
    return next(block for block in PYTHON if code in block.text)


@cache
def run(block: Block) -> Run:
    """Run a block, once, in a place of its own."""
    with place() as here:
        return here.run(block)


def table_under(heading: str, text: str = README) -> list[list[str]]:
    """Return the cells of the first table under a heading, its head left out."""
    section = re.split(rf"^##+ {re.escape(heading)}\n", text, maxsplit=1, flags=re.MULTILINE)[1]
    rows = re.search(r"^\|.*?(?=^[^|]|^$|\Z)", section, re.MULTILINE | re.DOTALL)
    assert rows is not None, f"there is no table under {heading}"
    lines = rows[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def code_words(*documents: Path) -> set[str]:
    """Return every identifier that stands in code: in a fenced block or between backticks."""
    prose = [FENCE.sub("", document.read_text(encoding="utf-8")) for document in documents]
    blocks = [block.text for document in documents for block in blocks_of(document)]
    return set(re.findall(r"\w+", "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", "\n\n".join(prose))])))


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_the_code_runs_and_prints_what_its_comments_say(block: Block) -> None:
    ran = run(block)

    assert (0, block.printed) == (ran.returncode, ran.stdout), ran.stderr


@pytest.mark.parametrize("block", [block for block in PYTHON if block.faults is None], ids=str)
def test_every_call_in_the_code_arrives(block: Block) -> None:
    is_kept_here = any(word in block.text for word in ("Sandbox(", "capture(", "def test_"))

    ran = run(block)

    assert len(ran.bodies) == (0 if is_kept_here else calls_about_somebody(block.text))
    assert [request.reason for request in ran.requests if not request.received] == []


def test_the_first_call_is_what_the_demo_makes() -> None:
    assert [call.body() for call in README_CALLS] == run(PYTHON[0]).bodies


def test_phone_numbers_arrive_as_the_comments_say() -> None:
    block = block_with("phone_number=9876543214")
    promised = re.findall(r"# (\+\d+ \d+)$", block.text, re.MULTILINE)

    arrived = [f"{body['countryCode']} {body['phoneNumber']}" for body in run(block).bodies if body]

    assert sorted(promised) == sorted(arrived)


def test_before_send_changes_what_leaves() -> None:
    ran = run(block_with("track.before_send = "))

    assert ran.bodies == [{"userId": "u1", "traits": {"name": "Asha"}}]


def test_a_block_that_reaches_for_another_machine_is_ended() -> None:
    code = 'import socket\nsocket.create_connection(("192.0.2.1", 443), timeout=5)\n'  # RFC 5737: nobody's address

    ran = run(Block("README.md", "", "python", code, 1))

    assert (ran.returncode, ran.stderr) == (97, "a block reached for another machine")


def test_the_settings_table_is_what_the_code_says() -> None:
    words = {"OnError": "function", "BeforeSend": "function", "RateLimit": "int` or `str"}
    words |= {"WhenFull": "str", "OnAmbiguous": "str", "SpoolSync": "str", "str | os.PathLike[str]": "str` or path"}
    parameters = inspect.signature(Settings).parameters.values()

    def in_code(parameter: inspect.Parameter) -> tuple[str, str, str]:
        kind = str(parameter.annotation).removesuffix(" | None")
        default = f'"{parameter.default}"' if isinstance(parameter.default, str) else str(parameter.default)
        return parameter.name, words.get(kind, kind), default

    rows = [tuple(cell.strip("`") for cell in row[:3]) for row in table_under("Settings")]

    assert [in_code(parameter) for parameter in parameters] == rows
    assert [getattr(interakt_track, name) for name, _, _ in rows] == [parameter.default for parameter in parameters]


@pytest.mark.parametrize("function", [interakt_track.identify, interakt_track.event], ids=["identify", "event"])
def test_the_tables_of_arguments_name_each_argument(function: Callable[..., object]) -> None:
    heading = next(line for line in README.splitlines() if line.endswith(f": `{function.__name__}`"))

    named = [name for row in table_under(heading.lstrip("# ")) for name in re.findall(r"`(\w+)`", row[0])]

    arguments = list(inspect.signature(function).parameters)
    assert sorted(arguments) == sorted(named)


def test_every_public_name_is_mentioned_here_or_where_a_task_needs_it() -> None:
    mentioned = code_words(ROOT / "README.md", *(ROOT / "docs" / "how-to").glob("*.md"))

    assert sorted(set(interakt_track.__all__) - mentioned) == []


def test_every_attribute_of_receipts_and_stats_is_mentioned() -> None:
    names = {
        name
        for kind in (interakt_track.Receipt, interakt_track.Stats, interakt_track.Response)
        for name in dir(kind)
        if not name.startswith("_") and name not in ("as_dict", "json")  # conveniences
    }

    assert sorted(names - code_words(ROOT / "README.md")) == []


def test_the_tree_of_errors_is_the_one_in_the_code() -> None:
    tree = next(block.text for block in BLOCKS if block.text.startswith("TrackError"))
    parents: dict[int, str] = {}
    drawn = []
    for line in tree.splitlines():
        match = re.match(r"([│├└─ ]*)(\w+)", line)
        assert match is not None
        depth = len(match[1]) // 4
        parents[depth] = match[2]
        drawn.append((match[2], parents[depth - 1] if depth else "Exception"))

    in_code = [
        (name, kind.__bases__[0].__name__)
        for name in interakt_track.__all__
        if isinstance(kind := getattr(interakt_track, name), type) and issubclass(kind, Exception)
    ]

    assert sorted(in_code) == sorted(drawn)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist_with_these_options(command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name, *arguments = shlex.split(command)
    monkeypatch.setenv("INTERAKT_SPOOL", str(tmp_path / "track.db"))
    (tmp_path / "track.db").touch()

    if name.startswith("scripts/"):
        assert os.access(ROOT / name, os.X_OK)
        assert all(argument in (ROOT / name).read_text(encoding="utf-8") for argument in arguments)
    elif name == "interakt-track":
        parse_faults(parse(*arguments).get("faults") or "")
    else:
        assert re.fullmatch(r"pip install interakt-track-python(\[cli\])?", command.replace('"', ""))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")

    def is_broken(link: str) -> bool:
        path, anchor = urldefrag(link)
        target = document if not path else document.parent / path
        if not target.exists():
            return True
        return bool(anchor) and anchor not in anchors(target.read_text(encoding="utf-8"))

    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]

    assert [link for link in links if is_broken(link)] == []


def anchors(text: str) -> set[str]:
    """Return what the headings of a document can be linked by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_picture_of_the_project_has_every_room() -> None:
    rooms = {path.name for path in (ROOT / "interakt_track").glob("*.py")}
    packages = {f"{path.parent.name}/" for path in (ROOT / "interakt_track").glob("*/__init__.py")}

    listed = {name for row in table_under("Rooms", ARCHITECTURE) for name in re.findall(r"`([\w/.]+)`", row[0])}

    assert sorted((rooms | packages) ^ listed) == []


def test_the_pictures_name_only_rooms_that_are_there() -> None:
    rooms = {path.name for path in (ROOT / "interakt_track").glob("*.py")}

    named = set(re.findall(r"\b(_[a-z_]+\.py)\b", ARCHITECTURE + README))

    assert sorted(named - rooms) == []


def test_the_newest_change_is_that_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    newest = re.search(r"^## \[(.+?)\]", changelog, re.MULTILINE)

    assert newest is not None
    assert newest[1] == interakt_track.__version__
