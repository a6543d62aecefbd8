"""A spool's file, looked after: what it tells, and what retry, drop, erase and adopt do to it."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from spool_clients import NewClient, clients_of_spool
from spool_left_behind import KEY, leave_behind
from waiting import wait_until

from interakt_track import Client, InvalidMessageError, SettingsError, SpoolError, SpoolFile
from interakt_track._database import Database
from interakt_track.sandbox import Request, Sandbox

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "track.db"


@pytest.fixture
def new_client(sandbox: Sandbox, path: Path) -> Iterator[NewClient]:
    with clients_of_spool(sandbox, path) as make:
        yield make


def is_named(*names: str) -> Callable[[Request], bool]:
    return lambda request: request.body is not None and request.body.get("userId") in names


def fail(sandbox: Sandbox, client: Client, calls: Callable[[Client], object]) -> None:
    """Make calls that the API refuses for good."""
    before, sandbox.faults = sandbox.faults, "400=1"
    calls(client)
    assert client.flush(10)
    sandbox.faults = before


def bytes_of(path: Path) -> bytes:
    """Return all that is in the file and in those beside it."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))


def drain(path: Path) -> None:
    """Wait until a client has sent everything; it begins to as soon as it is made."""
    with SpoolFile(path) as spool:
        wait_until(lambda: not spool.status().waiting)


# What it tells.


def test_a_file_that_is_not_there_is_not_made(path: Path) -> None:
    with pytest.raises(SpoolError, match="there is no spool at") as raised:
        SpoolFile(path)

    assert raised.value.reason == "missing"
    assert not path.exists()


def test_a_closed_one_says_so(path: Path) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')")
    with SpoolFile(path) as spool:
        pass

    with pytest.raises(SpoolError, match="was closed"):
        spool.status()


def test_the_status_counts_by_account_and_knows_whose_key_it_is_asked_for(path: Path) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')\nclient.event('u2', 'Seen')")
    leave_behind(path, NOBODY, "client.event('u3', 'Seen')", key="another")

    with SpoolFile(path) as spool:
        status = spool.status(write_key="another", host=NOBODY)

    assert (status.waiting, status.failed, status.last_id, status.given_up) == (3, 0, 3, 0)
    assert [(account.is_own, account.waiting, account.host) for account in status.accounts] == [
        (True, 1, NOBODY),
        (False, 2, NOBODY),
    ]
    assert status.oldest_waiting is not None
    assert 0 <= status.oldest_waiting < 60
    assert status.oldest_failed is None
    assert status.size > 0
    assert not status.is_held
    assert "another" not in json.dumps(status.as_dict())


def test_the_status_tells_who_sends_and_how_fast(sandbox: Sandbox, new_client: NewClient, path: Path) -> None:
    client = new_client()
    for number in range(5):
        client.event(f"u{number}", "Seen")
    assert client.flush(10)

    with SpoolFile(path) as spool:
        sending = spool.status()
        client.shutdown(5)
        after = spool.status()

    assert (sending.is_held, sending.requests_last_minute, sending.time_to_empty) == (True, 5, 0.0)
    assert not after.is_held


def test_looking_at_who_sends_does_not_keep_anybody_from_it(new_client: NewClient, path: Path) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')")

    with SpoolFile(path) as spool:
        before = spool.status()
        client = new_client()
        client.event("u2", "Seen")

        assert not before.is_held
        assert client.flush(10)
        assert spool.status().is_held


def test_waiting_messages_come_in_their_order_with_all_that_was_called(path: Path) -> None:
    leave_behind(
        path,
        NOBODY,
        "client.identify('customer-1', phone_number='9876543210', traits={'name': 'Asha'}, tags=['vip'])\n"
        "client.event('customer-2', 'Order Placed', {'total': 5}, priority='high')",
    )

    with SpoolFile(path) as spool:
        first, second = spool.waiting()

    assert (first.kind, first.event, first.user_id, first.country_code, first.phone_number) == (
        "user", None, "customer-1", "+91", "9876543210",
    )  # fmt: skip
    assert first.queue_msg() == {
        "path": "/v1/public/track/users/",
        "body": {
            "userId": "customer-1",
            "countryCode": "+91",
            "phoneNumber": "9876543210",
            "traits": {"name": "Asha"},
            "tags": ["vip"],
        },
    }
    assert (second.id, second.kind, second.event, second.priority, second.traits, second.attempts) == (
        2, "event", "Order Placed", "high", {"total": 5}, 0,
    )  # fmt: skip
    assert second.queue_msg()["body"]["createdAt"] == second.as_dict()["called_at"], "it leaves late"


def test_no_record_shows_a_person_unless_it_is_asked_to(path: Path) -> None:
    leave_behind(
        path, NOBODY, "client.identify('customer-1', phone_number='9876543210', traits={'name': 'Asha'}, tags=['vip'])"
    )

    with SpoolFile(path) as spool:
        (message,) = spool.waiting()

    masked = f"{message!r} {message.masked_identity} {json.dumps(message.as_dict())}"
    assert [secret for secret in ("customer-1", "9876543210", "Asha", "vip") if secret in masked] == []
    assert message.masked_identity == "user_id=*** phone=+91***10"
    assert message.as_dict(is_masked=False)["body"]["traits"] == {"name": "Asha"}


def test_more_than_a_page_is_read_in_order_and_up_to_the_limit(path: Path) -> None:
    leave_behind(path, NOBODY, "for n in range(1203): client.event(f'u{n}', 'Seen', {'n': n})")

    with SpoolFile(path) as spool:
        every = [message.traits["n"] for message in spool.waiting()]
        some = [message.traits["n"] for message in spool.waiting(limit=501)]

    assert every == list(range(1203))
    assert some == list(range(501))


def test_conditions_narrow_down_what_is_meant(sandbox: Sandbox, new_client: NewClient, path: Path) -> None:
    client = new_client()
    fail(sandbox, client, lambda client: [client.event(f"u{n}", "Seen") for n in range(3)])
    fail(sandbox, client, lambda client: client.event(phone_number="9876543210", event="Seen"))

    with SpoolFile(path) as spool:
        ids = [message.id for message in spool.failed()]

        def found(**conditions: Any) -> list[int]:
            return [message.id for message in spool.failed(**conditions)]

        assert found(ids=ids[1:3]) == ids[1:3]
        assert found(ids=[]) == []
        assert found(error="rejectederror", status_code=400) == ids
        assert found(error="ExpiredError") == []
        assert found(status_code=404) == []
        assert found(older_than=3600) == []
        assert found(older_than=0) == ids
        assert found(user_id="u1") == [ids[1]]
        assert found(phone_number="098765 43210") == [ids[3]]
        assert found(user_id="u1", phone_number="+91 98765-43210") == [ids[1], ids[3]]
        with pytest.raises(InvalidMessageError, match="phone_number is too short"):
            found(phone_number="12")


def test_a_failed_message_tells_why(sandbox: Sandbox, new_client: NewClient, path: Path) -> None:
    client = new_client()
    fail(sandbox, client, lambda client: client.event("u1", "Seen", {"n": 1}))

    with SpoolFile(path) as spool:
        (message,) = spool.failed()
        status = spool.status()

    assert (message.error, message.status_code, message.attempts) == ("RejectedError", 400, 1)
    assert message.message
    assert message.failed_at >= message.called_at
    assert message.as_dict()["error"] == "RejectedError"
    assert (status.failed, status.given_up) == (1, 1)
    assert status.newest_failed is not None


def test_a_damaged_row_is_shown_as_one_that_cannot_be_read(path: Path) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')\nclient.event('u2', 'Seen')")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE waiting SET traits = '[' WHERE id = 1")

    with SpoolFile(path) as spool:
        first, second = spool.waiting()

    assert (first.is_readable, first.queue_msg(), first.traits) == (False, None, {})
    assert first.as_dict()["body"] is None
    assert second.is_readable


# Retry.


def test_failed_messages_are_sent_again_in_the_order_of_their_calls(
    sandbox: Sandbox, new_client: NewClient, path: Path
) -> None:
    client = new_client()
    fail(sandbox, client, lambda client: [client.event("u1", "Seen", {"n": n}) for n in range(3)])
    with SpoolFile(path) as spool:
        first, *_ = spool.failed()
        spool.retry(ids=[first.id])
        sandbox.faults = "400=1"
        wait_until(lambda: spool.status().failed == 3)
        assert [message.traits["n"] for message in spool.failed()] == [1, 2, 0], "the first one has a later number now"
        called_at = {message.traits["n"]: message.called_at for message in spool.failed()}
        client.shutdown(5)
        sandbox.clear()
        sandbox.faults = None

        done = spool.retry()
        waiting = list(spool.waiting())

        assert (done.count, done.superseded, done.skipped) == (3, 0, 0)
        assert [message.traits["n"] for message in waiting] == [0, 1, 2]
        assert {message.traits["n"]: message.called_at for message in waiting} == called_at
        assert {message.attempts for message in waiting} == {0}
        assert list(spool.failed()) == []
        new_client()
        drain(path)
    assert [body["traits"]["n"] for body in sandbox.events] == [0, 1, 2]


def test_a_running_client_sends_what_is_retried(sandbox: Sandbox, new_client: NewClient, path: Path) -> None:
    client = new_client()
    fail(sandbox, client, lambda client: client.event("u1", "Seen", {"n": 1}))

    with SpoolFile(path) as spool:
        assert spool.retry(error="RejectedError").count == 1
        sandbox.wait_for(1)

    assert sandbox.events[-1]["traits"] == {"n": 1}


def test_an_identify_after_which_a_later_one_was_delivered_is_superseded(
    sandbox: Sandbox, new_client: NewClient, path: Path
) -> None:
    client = new_client()
    fail(sandbox, client, lambda client: [client.identify("u1", traits={"plan": "old"}), client.identify("u2")])
    client.identify("u1", traits={"plan": "new"})
    assert client.flush(10)

    with SpoolFile(path) as spool:
        assert [(message.user_id, message.is_superseded) for message in spool.failed()] == [("u1", True), ("u2", False)]
        client.shutdown(5)
        done = spool.retry(skip_superseded=True)
        left = [message.user_id for message in spool.failed()]
        again = spool.retry()

    assert (done.count, done.superseded, done.skipped) == (1, 0, 1)
    assert left == ["u1"]
    assert (again.count, again.superseded, again.skipped) == (1, 1, 0)


@pytest.mark.parametrize(
    ("later", "is_superseded"),
    [
        ("client.identify('u1')", True),
        ("client.identify(phone_number='9876543210')", True),
        ("client.identify('u2', phone_number='+1 2015550123')", False),
        ("client.event('u1', 'Seen')", False),
    ],
)
def test_an_identify_after_which_a_later_one_waits_is_superseded(
    sandbox: Sandbox, new_client: NewClient, path: Path, later: str, is_superseded: bool
) -> None:
    client = new_client()
    fail(sandbox, client, lambda client: client.identify("u1", phone_number="9876543210"))
    client.shutdown(5)
    leave_behind(path, sandbox.url, later)

    with SpoolFile(path) as spool:
        (message,) = spool.failed()
        done = spool.retry(skip_superseded=True)

    assert message.is_superseded is is_superseded
    assert (done.count, done.skipped) == ((0, 1) if is_superseded else (1, 0))


def test_what_waits_under_another_key_supersedes_nothing(sandbox: Sandbox, new_client: NewClient, path: Path) -> None:
    client = new_client()
    fail(sandbox, client, lambda client: client.identify("u1"))
    client.shutdown(5)
    leave_behind(path, sandbox.url, "client.identify('u1')", key="another")

    with SpoolFile(path) as spool:
        assert spool.retry(skip_superseded=True).count == 1


def test_identifies_that_are_retried_together_do_not_supersede_each_other(
    sandbox: Sandbox, new_client: NewClient, path: Path
) -> None:
    client = new_client()
    fail(sandbox, client, lambda client: client.identify("u1", traits={"n": 1}))
    fail(sandbox, client, lambda client: client.identify("u1", traits={"n": 2}))
    client.shutdown(5)

    with SpoolFile(path) as spool:
        done = spool.retry(skip_superseded=True)
        waiting = [message.traits["n"] for message in spool.waiting()]

    assert (done.count, done.skipped) == (2, 0)
    assert waiting == [1, 2]


def test_many_are_retried_in_steps_between_which_others_write(
    sandbox: Sandbox, new_client: NewClient, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_client()
    fail(sandbox, client, lambda client: [client.event("u1", "e", {"n": number}) for number in range(25)])
    client.shutdown(5)
    monkeypatch.setattr("interakt_track._spool_file.STEP", 10)
    steps: list[int] = []
    run_together = Database.run_together

    def run_and_look(database: Database, *args: Any) -> int:
        changed = run_together(database, *args)
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # as a call of another process does
            other.execute("UPDATE floor SET id = id")
            other.execute("COMMIT")
            steps.append(other.execute("SELECT count(*) FROM waiting").fetchone()[0])
        return changed

    monkeypatch.setattr(Database, "run_together", run_and_look)
    with SpoolFile(path) as spool:
        done = spool.retry()
        waiting = [message.traits["n"] for message in spool.waiting()]

    assert steps == [10, 20, 25]
    assert done.count == 25
    assert waiting == list(range(25))


# Drop.


def test_dropped_messages_are_gone_and_the_others_stay(sandbox: Sandbox, new_client: NewClient, path: Path) -> None:
    client = new_client()
    fail(sandbox, client, lambda client: [client.event(f"u{n}", "Seen") for n in range(3)])
    client.shutdown(5)
    leave_behind(path, sandbox.url, "for n in range(3): client.event(f'v{n}', 'Seen')")

    with SpoolFile(path) as spool:
        failed, waiting = [m.id for m in spool.failed()], [m.id for m in spool.waiting()]

        assert spool.drop_failed(ids=failed[:1]) == 1
        assert spool.drop_waiting(ids=waiting[:2]) == 2
        assert spool.drop_failed(older_than=3600) == spool.drop_waiting(older_than=3600) == 0

        assert [m.id for m in spool.failed()] == failed[1:]
        assert [m.id for m in spool.waiting()] == waiting[2:]
        assert spool.drop_failed(error="RejectedError", status_code=400) == 2
        assert spool.drop_waiting() == 1
        assert (spool.status().waiting, spool.status().failed) == (0, 0)


def test_the_file_shrinks_when_much_is_dropped(path: Path) -> None:
    leave_behind(path, NOBODY, "for n in range(3000): client.event(f'u{n}', 'Seen', {'text': 'x' * 500})")

    with SpoolFile(path) as spool:
        before = spool.status().size
        assert spool.drop_waiting() == 3000
    after = path.stat().st_size

    assert before > 1_500_000
    assert after < 150_000


@pytest.mark.parametrize("verb", ["drop", "erase"])
def test_what_a_running_client_has_in_memory_is_not_sent_after_it_was_taken_out(
    sandbox: Sandbox, new_client: NewClient, path: Path, verb: str
) -> None:
    sandbox.faults = "latency=300ms"
    client = new_client(max_workers=1)
    receipts = [client.event(name, "Seen") for name in ("first", "second", "third")]
    wait_until(lambda: client.stats().in_flight and client.stats().spool_waiting == 3)

    with SpoolFile(path) as spool:
        second = next(message for message in spool.waiting() if message.user_id == "second")
        count = spool.drop_waiting(ids=[second.id]) if verb == "drop" else spool.erase(user_id="second").waiting

    assert count == 1
    assert client.flush(10)
    assert [body["userId"] for body in sandbox.events] == ["first", "third"]
    assert [receipt.status for receipt in receipts] == ["delivered", "dropped", "delivered"]
    stats = client.stats()
    assert (stats.queued, stats.delivered, stats.dropped) == (3, 2, 1)


def test_who_called_what_another_process_was_to_send_counts_it_as_dropped(
    sandbox: Sandbox, new_client: NewClient, path: Path
) -> None:
    sandbox.faults = "latency=400ms"
    sender = new_client(max_workers=1)
    sender.event("u0", "Seen")
    wait_until(lambda: sender.stats().in_flight)
    client = new_client()
    receipt = client.event("u0", "Seen", {"n": 1})

    with SpoolFile(path) as spool:
        (mine,) = (message for message in spool.waiting() if message.traits)
        assert spool.drop_waiting(ids=[mine.id]) == 1

    assert client.flush(10)
    assert (client.stats().queued, client.stats().dropped, client.stats().delivered) == (1, 1, 0)
    assert receipt.wait(5).status == "dropped"
    assert sender.flush(10)
    assert [body["traits"] for body in sandbox.events] == [{}]


# Erase.


def test_an_erased_person_is_in_none_of_the_files(sandbox: Sandbox, new_client: NewClient, path: Path) -> None:
    calls = (
        "for n in range(400):\n"
        "  client.identify(f'someone-{n}', phone_number=str(9000000000 + n), traits={'name': f'Name {n}'})\n"
        "  if n % 7 == 0:\n"
        "    client.identify('erased-id', traits={'name': 'Erased Name', 'pad': 'p' * n * 9})\n"
        "    client.event('erased-id', 'Seen', {'note': 'Erased Note'}, phone_number='9876543210')\n"
        "    client.event(phone_number='9876543210', event='Seen', traits={'note': 'Erased Note'})\n"
    )
    client = new_client()
    for _ in range(5):
        fail(
            sandbox,
            client,
            lambda client: client.identify("erased-id", traits={"name": "Erased Name", "pad": "p" * 900}),
        )
        fail(sandbox, client, lambda client: client.event("failed", "Seen"))
    client.shutdown(5)
    leave_behind(path, sandbox.url, calls)
    with SpoolFile(path) as spool:
        assert b"Erased Name" in bytes_of(path)
        mine = spool.status()
        others = sum(
            message.user_id != "erased-id" and message.phone_number != "9876543210" for message in spool.waiting()
        )

        erased = spool.erase(user_id="erased-id", phone_number="+91 98765 43210")

        assert erased.is_overwritten
        assert erased.failed == 5
        assert erased.waiting == mine.waiting - others
        left = bytes_of(path)
        assert [text for text in (b"erased-id", b"Erased Name", b"Erased Note", b"9876543210") if text in left] == []
        assert b"someone-399" in left
        assert (spool.status().waiting, spool.status().failed) == (others, 5)


def test_a_person_is_erased_while_a_client_sends(sandbox: Sandbox, new_client: NewClient, path: Path) -> None:
    sandbox.faults = "latency=20ms"
    client = new_client(max_workers=2)
    for number in range(60):
        client.event(f"someone-{number}", "Seen")
        client.event("erased-id", "Seen", {"note": "Erased Note"})

    with SpoolFile(path) as spool:
        erased = spool.erase(user_id="erased-id")

    assert erased.waiting > 0
    wait_until(lambda: client.stats().waiting + client.stats().in_flight == 0)
    with SpoolFile(path) as spool:
        assert spool.erase(user_id="erased-id").is_overwritten
    assert b"Erased Note" not in bytes_of(path)
    stats = client.stats()
    assert stats.delivered + stats.dropped == 120
    # One in flight was removed, and arrived all the same.
    assert erased.waiting - 1 <= stats.dropped <= erased.waiting


def test_what_somebody_reads_is_not_called_overwritten(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interakt_track._spool_file.PATIENCE", 0.05)
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')\nclient.event('u2', 'Seen')")

    with SpoolFile(path) as spool:
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM waiting").fetchone()
            while_read = spool.erase(user_id="u1")
        afterwards = spool.erase(user_id="u1")

    assert (while_read.waiting, while_read.is_overwritten) == (1, False)
    assert (afterwards.waiting, afterwards.is_overwritten) == (0, True)


def test_damaged_spools_that_were_moved_aside_are_named(path: Path) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')")
    aside = path.with_name("track.db.damaged-20250101T000000Z")
    aside.touch()

    with SpoolFile(path) as spool:
        assert spool.erase(user_id="u1").copies == (str(aside),)


def test_somebody_has_to_be_named_to_be_erased(path: Path) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')")

    with SpoolFile(path) as spool:
        with pytest.raises(InvalidMessageError, match="user_id and phone_number are both missing"):
            spool.erase()
        assert spool.status().waiting == 1


# Adopt.


def test_after_a_change_of_the_key_adopted_messages_are_delivered_in_their_order(
    sandbox: Sandbox, new_client: NewClient, path: Path
) -> None:
    fail(sandbox, new_client(), lambda client: client.event("u0", "Seen", {"n": 0}))
    leave_behind(path, sandbox.url, "for n in range(1, 4): client.event('u1', 'Seen', {'n': n})", key="old-key")
    leave_behind(path, sandbox.url, "client.event('u1', 'Seen', {'n': 4})")

    with SpoolFile(path) as spool:
        found = spool.adoptable(KEY, sandbox.url)
        adopted = spool.adopt(KEY, sandbox.url)
        again = spool.adopt(KEY, sandbox.url)
        new_client()
        drain(path)

    assert found is not None
    assert (found.waiting, found.failed, found.is_own) == (3, 0, False)
    assert (adopted.waiting, adopted.failed) == (3, 0)
    assert (again.waiting, again.failed) == (0, 0)
    assert [body["traits"]["n"] for body in sandbox.events] == [1, 2, 3, 4]


def test_failed_messages_are_adopted_too_and_can_be_retried(
    sandbox: Sandbox, new_client: NewClient, path: Path
) -> None:
    old = Sandbox(write_key="old-key")
    with old:
        client = new_client(write_key="old-key", host=old.url)
        fail(old, client, lambda client: client.event("u1", "Seen"))
        client.shutdown(5)
    with SpoolFile(path) as spool:
        adopted = spool.adopt(KEY, sandbox.url, may_change_host=True)
        assert (adopted.waiting, adopted.failed) == (0, 1)
        spool.retry()
        new_client()
        drain(path)

    assert [body["userId"] for body in sandbox.events] == ["u1"]


def test_what_was_called_for_another_host_stays_unless_that_is_allowed(sandbox: Sandbox, path: Path) -> None:
    leave_behind(path, sandbox.url, "client.event('u1', 'Seen')")

    with SpoolFile(path) as spool:
        words = r"called for another host, and https://api\.interakt\.ai gets them only with may_change_host"
        with pytest.raises(SettingsError, match=words):
            spool.adopt(KEY)
        assert spool.status(write_key=KEY, host=sandbox.url).own is not None
        assert spool.adopt(KEY, may_change_host=True).waiting == 1


def test_of_several_accounts_one_has_to_be_named(path: Path) -> None:
    for key in ("old-1", "old-2"):
        leave_behind(path, NOBODY, "client.event('u1', 'Seen')", key=key)

    with SpoolFile(path) as spool:
        first = spool.status(write_key="old-1", host=NOBODY).own
        assert first is not None
        words = rf"several accounts; from_fingerprint \(--from\) says which: .*{first.fingerprint} "
        with pytest.raises(SettingsError, match=words):
            spool.adopt(KEY, NOBODY)
        with pytest.raises(SettingsError, match="no messages of an account 000"):
            spool.adopt(KEY, NOBODY, from_fingerprint="000000000000")

        adopted = spool.adopt(KEY, NOBODY, from_fingerprint=first.fingerprint[:6].upper())
        status = spool.status(write_key=KEY, host=NOBODY)

    assert adopted.waiting == 1
    assert [(account.is_own, account.waiting) for account in status.accounts] == [(True, 1), (False, 1)]


def test_adopting_needs_a_key_and_takes_it_as_people_paste_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_behind(path, NOBODY, "client.event('u1', 'Seen')", key="old-key")

    with SpoolFile(path) as spool:
        with pytest.raises(SettingsError, match="write_key is missing"):
            spool.adopt(None, NOBODY)
        monkeypatch.setenv("INTERAKT_WRITE_KEY", "Basic dGVzdC1rZXk6")
        monkeypatch.setenv("INTERAKT_HOST", NOBODY)
        assert spool.adopt().waiting == 1
        own = spool.status(write_key=KEY, host=NOBODY).own

    assert own is not None
    assert own.waiting == 1
    assert b"test-key" not in bytes_of(path)


def test_adopting_says_when_another_process_sends(sandbox: Sandbox, new_client: NewClient, path: Path) -> None:
    client = new_client()
    client.event("u1", "Seen")
    assert client.flush(10)
    leave_behind(path, sandbox.url, "client.event('u2', 'Seen')", key="old-key")

    with SpoolFile(path) as spool:
        adopted = spool.adopt(KEY, sandbox.url)
        client.shutdown(5)
        new_client()
        drain(path)

    assert adopted.is_held
    assert [body["userId"] for body in sandbox.events] == ["u1", "u2"]


def test_a_change_of_a_great_many_messages_is_made_in_steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interakt_track._spool_file.STEP", 7)
    leave_behind(path, NOBODY, "for n in range(50): client.event(f'u{n % 2}', 'Seen', {'n': n})", key="old-key")

    with SpoolFile(path) as spool:
        adopted = spool.adopt(KEY, NOBODY)
        erased = spool.erase(user_id="u1")
        dropped = spool.drop_waiting(ids=range(1, 30))
        left = [message.traits["n"] for message in spool.waiting()]

    assert (adopted.waiting, erased.waiting, dropped) == (50, 25, 15)
    assert left == list(range(30, 50, 2))
