"""The commands `spool retry`, `drop`, `erase` and `adopt`: what people do about what is in the file."""

from __future__ import annotations

import click

from ._command_line import counted, host_option, json_option, make_sure, options, print_json, write_key, yes_option
from ._spool_options import failure_options, id_option, older_option, opened, spool_option

RETRY_EXAMPLES = """\b
Examples:
  interakt-track spool retry
  interakt-track spool retry --id 4711 --id 4712
  interakt-track spool retry --status 400 --skip-superseded
"""


@click.command(epilog=RETRY_EXAMPLES)
@options(
    spool_option,
    id_option,
    failure_options,
    older_option,
    click.option("--skip-superseded", is_flag=True, help="Leave an identify after which a later one went out."),
    yes_option,
    json_option,
)
def retry(
    *,
    spool: str | None,
    ids: tuple[int, ...],
    error: str | None,
    status_code: int | None,
    older_than: float | None,
    skip_superseded: bool,
    is_sure: bool,
    is_json: bool,
) -> None:
    """Send failed messages again, after what was wrong is mended.

    They go behind what waits, with all their attempts, and are sent by whichever process sends from the file. An
    identify is superseded when a later one of the same person was delivered meanwhile, or waits: sent again, it would
    put old values over newer ones. You are asked before that, or leave them with --skip-superseded.
    """
    with opened(spool) as file:
        if not (skip_superseded or is_sure):
            superseded = sum(
                message.is_superseded
                for message in file.failed(ids=ids or None, error=error, status_code=status_code, older_than=older_than)
            )
            if superseded:
                click.echo(
                    f"Warning: for {counted(superseded)} of these, a later identify of that person already went out, "
                    "or waits; what they say would overwrite it. --skip-superseded leaves them.",
                    err=True,
                )
                make_sure("Send them again all the same?", is_sure=False)
        done = file.retry(
            ids=ids or None,
            error=error,
            status_code=status_code,
            older_than=older_than,
            skip_superseded=skip_superseded,
        )
    if is_json:
        print_json({"retried": done.count, "superseded": done.superseded, "skipped": done.skipped})
        return
    click.echo(f"{counted(done.count)} will be sent again." if done.count else "No failed message is sent again.")
    if done.superseded:
        click.echo(f"{done.superseded:,} of them had been superseded by a later identify.")
    if done.skipped:
        click.echo(f"{counted(done.skipped)} left among the failed: a later identify went out, or waits.")


DROP_EXAMPLES = """\b
Examples:
  interakt-track spool drop --failed --older-than 30d
  interakt-track spool drop --failed --error ExpiredError --yes
  interakt-track spool drop --id 4711
"""


@click.command(epilog=DROP_EXAMPLES)
@options(
    spool_option,
    click.option("--failed", "is_failed", is_flag=True, help="Among those that failed."),
    click.option("--waiting", "is_waiting", is_flag=True, help="Among those that wait; they are never sent then."),
    id_option,
    failure_options,
    older_option,
    yes_option,
    json_option,
)
def drop(
    *,
    spool: str | None,
    is_failed: bool,
    is_waiting: bool,
    ids: tuple[int, ...],
    error: str | None,
    status_code: int | None,
    older_than: float | None,
    is_sure: bool,
    is_json: bool,
) -> None:
    """Remove messages for good, without sending them.

    Say --failed or --waiting, or which ones by --id. A running process that has one of them in memory does not send it
    either; only what is in a request under way may still arrive. The calls' own processes count them as dropped.
    """
    if not (is_failed or is_waiting or ids):
        raise click.UsageError("say which messages: --failed, --waiting, or --id")
    if (error is not None or status_code is not None) and is_waiting:
        raise click.UsageError("what waits has no --error and no --status")
    if not (is_failed or is_waiting):
        is_failed, is_waiting = True, error is None and status_code is None
    with opened(spool) as file:
        found: dict[str, int] = {}
        if is_waiting:
            found["waiting"] = sum(1 for _ in file.waiting(ids=ids or None, older_than=older_than))
        if is_failed:
            found["failed"] = sum(
                1 for _ in file.failed(ids=ids or None, error=error, status_code=status_code, older_than=older_than)
            )
        if any(found.values()):
            make_sure(f"Remove {_listed(found)} for good?", is_sure=is_sure)
        removed: dict[str, int] = {}
        if is_waiting:
            removed["waiting"] = file.drop_waiting(ids=ids or None, older_than=older_than)
        if is_failed:
            removed["failed"] = file.drop_failed(
                ids=ids or None, error=error, status_code=status_code, older_than=older_than
            )
    if is_json:
        print_json(removed)
    else:
        click.echo(f"Removed {_listed(removed)}.")


ERASE_EXAMPLES = """\b
Examples:
  interakt-track spool erase --user-id u1 --phone 9876543210
  interakt-track spool erase --phone "+44 7400 123456" --yes
"""


@click.command(epilog=ERASE_EXAMPLES)
@options(
    spool_option,
    click.option("--user-id", metavar="ID", help="The customer's id, exactly as in the calls."),
    click.option("--phone", metavar="NUMBER", help="The phone number: with +91 or another code, or Indian."),
    yes_option,
    json_option,
)
def erase(*, spool: str | None, user_id: str | None, phone: str | None, is_sure: bool, is_json: bool) -> None:
    """Erase a person's messages, waiting and failed.

    What has the id or the number is removed and overwritten, in the file and in the log beside it. Give both where you
    know both: messages that name only the other one stay. What was delivered is at Interakt, and has to be erased
    there. Status 1 means that it is not overwritten yet, as another process was reading: run it again.
    """
    if user_id is None and phone is None:
        raise click.UsageError("say who: --user-id, --phone, or both")
    with opened(spool) as file:
        found = {
            "waiting": sum(1 for _ in file.waiting(user_id=user_id, phone_number=phone)),
            "failed": sum(1 for _ in file.failed(user_id=user_id, phone_number=phone)),
        }
        if any(found.values()):
            make_sure(f"Erase {_listed(found)} of this person for good?", is_sure=is_sure)
        done = file.erase(user_id=user_id, phone_number=phone)
    if is_json:
        print_json(
            {
                "waiting": done.waiting,
                "failed": done.failed,
                "is_overwritten": done.is_overwritten,
                "copies": list(done.copies),
            }
        )
    else:
        click.echo(f"Erased {_listed({'waiting': done.waiting, 'failed': done.failed})}.")
        for copy in done.copies:
            click.echo(f"Not looked at, and may hold more of this person: {copy}", err=True)
        if not done.is_overwritten:
            click.echo(
                "They are not overwritten yet, as another process was reading or the disk is full. Run this again.",
                err=True,
            )
    if not done.is_overwritten:
        raise click.exceptions.Exit(1)


ADOPT_EXAMPLES = """\b
Examples:
  INTERAKT_WRITE_KEY=... interakt-track spool adopt
  interakt-track spool adopt --from 3f1c88ab20e4

\b
The new key is taken from the environment's INTERAKT_WRITE_KEY, or asked for.
"""


@click.command(epilog=ADOPT_EXAMPLES)
@options(
    spool_option,
    host_option,
    click.option(
        "--from",
        "from_fingerprint",
        metavar="ACCOUNT",
        help="Adopt from this account, where there are several: the beginning of what `spool status` shows.",
    ),
    click.option(
        "--change-host",
        is_flag=True,
        help="Also adopt what was called for another host; a sandbox's messages would reach real customers.",
    ),
    yes_option,
    json_option,
)
def adopt(
    *,
    spool: str | None,
    host: str | None,
    from_fingerprint: str | None,
    change_host: bool,
    is_sure: bool,
    is_json: bool,
) -> None:
    """Give messages that were called under an old key to the new one.

    Messages belong to the host and the key they were called under. After a change of the key, those that still wait
    would wait for ever: this hands them to the new key, in their order, and the failed ones with them.
    """
    with opened(spool) as file:
        key = write_key()
        found = file.adoptable(key, host, from_fingerprint=from_fingerprint, may_change_host=change_host)
        if found is not None:
            make_sure(
                f"Give {_listed({'waiting': found.waiting, 'failed': found.failed})} of account {found.fingerprint} "
                f"({found.host}) to your key?",
                is_sure=is_sure,
            )
        done = file.adopt(key, host, from_fingerprint=from_fingerprint, may_change_host=change_host)
    if is_json:
        print_json({"waiting": done.waiting, "failed": done.failed, "is_held": done.is_held})
        return
    if found is None:
        click.echo("Nothing to adopt: all messages in the file are your key's already.")
        return
    click.echo(f"Adopted {_listed({'waiting': done.waiting, 'failed': done.failed})}.")
    if done.waiting and done.is_held:
        click.echo("A process sends from the file; if it does not take them up, it does when it is restarted.")


def _listed(counts: dict[str, int]) -> str:
    """Return "3 waiting and 1 failed messages"."""
    parts = " and ".join(f"{count:,} {state}" for state, count in counts.items())
    return f"{parts} message{'' if list(counts.values()) == [1] else 's'}"
