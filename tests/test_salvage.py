"""Of a damaged spool all that can be read is in a new one, at the path in one step; whoever is killed loses nothing."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from interakt_track import SpoolError, _place, _remains, _salvage
from interakt_track._database import PAGE_SIZE, Database

ROW = (
    "INSERT INTO waiting (id, origin, account, kind, priority, told_by, called_at, user_id, event, traits) "
    "VALUES (?, 1, 1, 'event', 1, 0, 1.0, ?, 'e', '{\"a\": 1}')"
)
LEAF = b"\x0d"  # how a page with rows begins


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "track.db"


@pytest.fixture
def open_file(path: Path) -> Iterator[Database]:
    """Keep a file open as a client does, with what it has written last in the log."""
    database = Database(str(path))
    yield database
    database.close()


def fill(database: Database, ids: range) -> None:
    database.run_together((ROW, (number, f"user-{number}")) for number in ids)


def leave_file(path: Path, ids: range) -> None:
    database = Database(str(path))
    fill(database, ids)
    database.close()


def ids_in(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [row_id for (row_id,) in connection.execute("SELECT id FROM waiting ORDER BY id")]


def value_in(path: Path, statement: str) -> object:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchone()[0]


def replace(path: Path, complete: Callable[[Database], None] = lambda _: None, salt: str | None = None) -> Path:
    aside, _ = _salvage.replace_damaged(str(path), salt, known_id=0, sync="normal", complete=complete)
    return Path(aside)


def page_of(path: Path, text: str) -> int:
    """Return where the page begins that a text is in."""
    return path.read_bytes().index(text.encode()) // PAGE_SIZE * PAGE_SIZE


def wipe(path: Path, text: str) -> None:
    start = page_of(path, text)
    with path.open("r+b") as file:
        file.seek(start)
        assert file.read(1) == LEAF
        file.seek(start)
        file.write(bytes(PAGE_SIZE))


def is_whole(path: Path) -> bool:
    return value_in(path, "PRAGMA integrity_check(1)") == "ok"


def test_the_path_leads_to_the_old_file_until_the_new_one_has_it_all(path: Path) -> None:
    leave_file(path, range(1, 101))
    salt, inode = value_in(path, "SELECT value FROM setting WHERE name = 'salt'"), path.stat().st_ino
    seen = []

    def look(new: Database) -> None:
        seen.append((path.stat().st_ino, new.value("SELECT value FROM setting WHERE name = 'salt'")))
        seen.append((new.value("SELECT count(*) FROM waiting"), new.value("SELECT id FROM floor")))

    aside = replace(path, look)

    assert seen == [(inode, salt), (100, 100 + _remains.SKIP)]
    assert aside.stat().st_ino == inode != path.stat().st_ino
    assert path.stat().st_mode & 0o777 == 0o600
    assert ids_in(path) == list(range(1, 101))
    assert {file.name for file in path.parent.iterdir()} == {"track.db", "track.db-opening", aside.name}


def test_ids_are_not_used_again_where_nothing_of_the_file_can_be_read(path: Path) -> None:
    leave_file(path, range(1, 101))
    path.write_bytes(bytes(path.stat().st_size))

    _salvage.replace_damaged(str(path), "its salt", known_id=77, sync="normal", complete=lambda _: None)

    assert value_in(path, "SELECT id FROM floor") == 77 + _remains.SKIP
    assert value_in(path, "SELECT value FROM setting WHERE name = 'salt'") == "its salt"


def test_whoever_has_the_old_file_open_can_write_nothing_to_it_any_more(path: Path, open_file: Database) -> None:
    fill(open_file, range(1, 11))

    aside = replace(path)

    for statement in (ROW.replace("?", "77"), "UPDATE waiting SET account = 2", "DELETE FROM waiting WHERE id = 1"):
        with pytest.raises(SpoolError, match="another file takes its place"):
            open_file.execute(statement)
    assert ids_in(aside) == ids_in(path) == list(range(1, 11))
    open_file.close()
    assert ids_in(path) == list(range(1, 11))
    assert is_whole(path)


def test_whoever_has_the_old_file_open_does_not_open_the_new_one_as_if_it_were_that(
    path: Path, open_file: Database
) -> None:
    fill(open_file, range(1, 11))
    replace(path)

    open_file.hold()  # as around a fork
    open_file.let_go()

    with pytest.raises(SpoolError, match="was closed"):
        open_file.fetch("SELECT id FROM waiting")
    with pytest.raises(SpoolError, match="was closed"):
        open_file.look("SELECT id FROM waiting")


def test_nobody_opens_a_file_while_it_is_moved(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_place, "MAX_WAIT", 30.0)
    leave_file(path, range(1, 11))
    inode = path.stat().st_ino
    replacer = threading.Thread(target=replace, args=(path,))

    with _place.in_place(str(path)):
        replacer.start()
        replacer.join(0.3)
        is_still_there = path.stat().st_ino == inode
    replacer.join(30)

    assert is_still_there
    assert path.stat().st_ino != inode


# What can be read.


@pytest.mark.parametrize("wiped", [[5000], [1], [20_000], [1, 20_000], [4000, 4030, 12_000]])
def test_every_page_that_can_be_read_is_copied_however_short_the_search(
    path: Path, wiped: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_remains, "MAX_SEARCH", 0.0)
    leave_file(path, range(1, 20_001))
    for row_id in wiped:
        wipe(path, f"user-{row_id}e")

    replace(path)

    missing = set(range(1, 20_001)) - set(ids_in(path))
    assert missing >= set(wiped)
    assert len(missing) <= len(wiped) * 30  # a page has fewer
    assert is_whole(path)


def test_a_row_whose_id_is_damaged_hides_no_other_and_the_search_ends(path: Path) -> None:
    leave_file(path, range(1, 2001))
    wipe(path, "user-1500e")
    content = path.read_bytes()
    for row_id, other in ((400, b"\x80\x02"), (800, b"\x8f\x7f"), (1200, b"\x80\x00")):
        varint = bytes((0x80 | row_id >> 7, row_id & 0x7F))
        place = content.rindex(varint, 0, content.index(f"user-{row_id}e".encode()))
        content = content[:place] + other + content[place + 2 :]
    path.write_bytes(content)

    replace(path)

    assert len(ids_in(path)) >= 2000 - 3 - 30
    assert is_whole(path)


def test_a_last_row_of_which_only_the_id_can_be_read_ends_the_search(path: Path) -> None:
    leave_file(path, range(1, 1001))
    database = Database(str(path))
    database.execute(ROW.replace("'{\"a\": 1}'", f"'{'x' * 5000}'"), (2**50, "the last"))  # it goes on on other pages
    database.close()
    content = path.read_bytes()
    first = next(n for n in range(0, len(content), PAGE_SIZE) if content[n + 4 :].startswith(b"x" * 1000))
    path.write_bytes(content[:first] + b"\xff" * 4 + content[first + 4 :])  # where it goes on from there

    replace(path)

    assert ids_in(path) == list(range(1, 1001))


def test_an_empty_table_of_which_a_column_is_not_known_any_more_ends_the_search(path: Path) -> None:
    leave_file(path, range(1, 11))
    content = path.read_bytes()
    assert content.count(b"sender INTEGER") == 1
    path.write_bytes(content.replace(b"sender INTEGER", b"sendes INTEGER"))

    replace(path)

    assert ids_in(path) == list(range(1, 11))


def test_an_account_with_two_numbers_has_one_again(path: Path) -> None:
    leave_file(path, range(1, 11))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO account VALUES (1, 'abc', 'http://localhost')")
        connection.commit()
    index = value_in(path, "SELECT (rootpage - 1) FROM sqlite_master WHERE name = 'sqlite_autoindex_account_1'")
    assert isinstance(index, int)
    with path.open("r+b") as file:
        file.seek(index * PAGE_SIZE)
        file.write(b"\x0a\0\0\0\0\x04\0\0")  # an index without entries
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO account VALUES (2, 'abc', 'http://localhost')")
        connection.execute("UPDATE waiting SET account = 2 WHERE id > 5")
        connection.commit()

    replace(path)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT number, fingerprint FROM account").fetchall() == [(1, "abc")]
        assert connection.execute("SELECT DISTINCT account FROM waiting").fetchall() == [(1,)]
    assert ids_in(path) == list(range(1, 11))


def test_the_ration_that_is_used_and_what_was_removed_come_along(path: Path) -> None:
    database = Database(str(path))
    fill(database, range(1, 4))
    database.execute("INSERT INTO start (origin, account, wall, monotonic, message) VALUES (7, 1, 1.5, 2.5, 2)")
    database.execute("UPDATE waiting SET is_started = 0, attempts = 3 WHERE id = 2")  # it failed for now
    database.execute("INSERT INTO removed SELECT id, origin, 9.0 FROM waiting WHERE id = 3")
    database.execute(
        "INSERT INTO failed (number, id, origin, account, kind, priority, told_by, called_at, attempts, traits, "
        "sender, error, message, failed_at) VALUES (50, 10, 1, 1, 'user', 1, 0, 1.0, 1, '{}', 1, 'E', 'm', 1.0)"
    )
    database.execute("DELETE FROM failed")
    database.close()

    replace(path)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT origin, account, wall, monotonic, message FROM start").fetchall() == [
            (7, 1, 1.5, 2.5, 2)
        ]
        assert connection.execute("SELECT id, is_started, attempts FROM waiting").fetchall() == [(1, 0, 0), (2, 0, 3)]
        assert connection.execute("SELECT id, origin, removed_at FROM removed").fetchall() == [(3, 1, 9.0)]
        assert connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'failed'").fetchall() == [(50,)]


# Whose file it is.


@pytest.mark.parametrize(
    ("owner", "has_lease", "is_ours"),
    [(None, False, True), (0, False, False), (0x12345678, False, False), (0x12345678, True, True)],
)
def test_a_damaged_database_is_ours_where_its_head_or_a_lease_says_so(
    path: Path, owner: int | None, has_lease: bool, is_ours: bool
) -> None:
    leave_file(path, range(1, 10))
    if owner is not None:
        with path.open("r+b") as file:
            file.seek(68)
            file.write(owner.to_bytes(4))
    if has_lease:
        Path(f"{path}-lease").touch()

    assert _salvage.is_ours(str(path)) is is_ours


# What goes wrong on the way.


KILLED = """
import os, sys
from interakt_track import _salvage
path, left = sys.argv[1], int(sys.argv[2])
def until_killed(act):
    def acting(*args, **kwargs):
        global left
        if any(str(arg).startswith(path) for arg in args):
            left -= 1
            if left < 0:
                os._exit(9)
        return act(*args, **kwargs)
    return acting
for name in ("link", "replace", "unlink", "open", "stat"):
    setattr(os, name, until_killed(getattr(os, name)))
_salvage.replace_damaged(path, None, known_id=0, sync="normal", complete=lambda _: None)
"""


def test_whoever_is_killed_on_the_way_leaves_all_there_is_to_the_next(path: Path) -> None:
    left, was_killed = 0, True
    while was_killed:
        for file in path.parent.iterdir():
            file.unlink()
        database = Database(str(path))
        fill(database, range(1, 201))
        database.checkpoint()
        fill(database, range(201, 301))  # in the log only, as long as it is open here

        done = subprocess.run([sys.executable, "-c", KILLED, path, str(left)], check=False)
        was_killed = done.returncode == 9
        assert done.returncode in (0, 9)
        inode = path.stat().st_ino
        assert ids_in(path) == list(range(1, 301)), left
        replace(path)
        database.close()

        assert ids_in(path) == list(range(1, 301)), left
        assert is_whole(path)
        assert path.stat().st_ino != inode
        assert not list(path.parent.glob("*-new*"))
        left += 1
    assert left > 10


def test_a_file_system_without_second_names(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: str, target: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    leave_file(path, range(1, 101))

    aside = replace(path)

    assert ids_in(aside) == ids_in(path) == list(range(1, 101))
    assert aside.stat().st_mode & 0o777 == 0o600


def test_a_new_file_that_cannot_take_the_path_leaves_all_where_it_was(
    path: Path, open_file: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(open_file, range(1, 101))
    before = {file.name for file in path.parent.iterdir()}
    move = os.replace

    def refuse(source: str, target: str) -> None:
        if target == str(path):
            raise PermissionError(13, "Permission denied")
        move(source, target)

    monkeypatch.setattr(os, "replace", refuse)

    with pytest.raises(PermissionError):
        replace(path)

    assert {file.name for file in path.parent.iterdir()} == before
    assert ids_in(path) == list(range(1, 101))


def test_a_file_that_somebody_writes_to_is_not_replaced_yet(path: Path) -> None:
    leave_file(path, range(1, 11))
    inode = path.stat().st_ino
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(SpoolError, match="locked by another program"):
            replace(path)

    assert path.stat().st_ino == inode
    assert ids_in(path) == list(range(1, 11))
