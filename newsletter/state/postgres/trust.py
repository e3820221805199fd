"""Whether a server may keep the ledger, whose ledger it is, and its schema; nothing of its rows."""

from typing import Any

import psycopg
from psycopg import errors, sql

from newsletter.errors import CONFIG, IO, TEMPORARY, StateError
from newsletter.state.engines import Place, Standbys
from newsletter.state.postgres.speech import schema_of, script

# Each after the first only adds tables, functions and columns that may be left out, so that senders
# of the version before can go on. What nobody uses any more is taken away one version later.
MIGRATIONS = ("1.sql",)

_OLDEST = 13
_Connection = psycopg.Connection[Any]


def doubts(connection: _Connection, place: Place) -> list[str]:
    """Return what could cost outcomes and is no reason to refuse; raise StateError for what is.

    A ledger that can forget what it has confirmed would mail people twice and deny it.
    """
    if connection.info.server_version < _OLDEST * 10_000:
        version = connection.info.parameter_status("server_version")
        raise _refused(place, f"the server is PostgreSQL {version}; {_OLDEST} or newer is needed")
    ((durable, commit, standbys, recovering, count),) = connection.execute(
        "select current_setting('fsync'), current_setting('synchronous_commit'),"
        " current_setting('synchronous_standby_names'), pg_is_in_recovery(),"
        " (select count(*) from pg_stat_replication)"
    ).fetchall()
    if recovering:
        raise _refused(place, "this is a standby, which only reads; name the primary")
    if durable != "on":
        raise _refused(
            place,
            "the server runs with fsync = off: a crash of its machine would make it forget who was"
            " mailed. Set fsync = on in postgresql.conf and restart it",
        )
    if commit in {"off", "local"}:
        raise _refused(
            place,
            f"synchronous_commit is {commit}: a crash would make the ledger forget who was mailed."
            " Set it to on: alter role current_user set synchronous_commit = on",
        )
    if count and not standbys:
        return [
            (
                "there is a standby, but synchronous_standby_names is empty: a failover may forget"
                " outcomes, and who they were of is mailed again"
            )
        ]
    return []


def standbys(connection: _Connection) -> Standbys:
    """Return what follows the server; how far behind is shown to roles that may monitor it."""
    ((count, behind, seconds),) = connection.execute(
        "select count(*), max(pg_wal_lsn_diff(pg_current_wal_lsn(),"
        " coalesce(replay_lsn, flush_lsn))), extract(epoch from max(replay_lag))"
        " from pg_stat_replication"
    ).fetchall()
    return Standbys(
        count=count,
        bytes=None if behind is None else int(behind),
        seconds=None if seconds is None else float(seconds),
    )


def made_ready(
    connection: _Connection, place: Place, *, create: bool, restored: bool = False
) -> bool:
    """Bring the schema of the ledger up to date; return whether there is one.

    Without `create` an empty database stays so; one that was `restored` may be on another server
    than the ledger was made on. It is one transaction, under a lock that other migrations wait for.
    """
    schema = schema_of(place.newsletter)
    found = _version(connection, place, schema, restored=restored)
    if found is None and not create:
        return False
    if found == len(MIGRATIONS):
        return True
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", (schema,))
        # Asked again under the lock: somebody else may have made it meanwhile.
        version = _version(connection, place, schema, restored=restored) or 0
        if not version:
            connection.execute(
                sql.SQL("create schema if not exists {}").format(sql.Identifier(schema))
            )
        connection.execute("select set_config('search_path', %s, true)", (f'"{schema}"',))
        for name in MIGRATIONS[version:]:
            connection.execute(script(name))
        if not version:
            connection.execute(
                "insert into about (newsletter, version, cluster) values (%s, %s, %s)",
                (place.newsletter, len(MIGRATIONS), cluster_of(connection)),
            )
        else:
            connection.execute("update about set version = %s", (len(MIGRATIONS),))
    return True


def cluster_of(connection: _Connection) -> str:
    """Return the number that a server got when it was set up; a restored dump meets another."""
    ((number,),) = connection.execute("select system_identifier from pg_control_system()")
    return str(number)


def _version(connection: _Connection, place: Place, schema: str, *, restored: bool) -> int | None:
    """Return the version of the ledger, None where there is none; raise StateError if not ours."""
    ((tables, ours),) = connection.execute(
        "select count(*), count(*) filter (where relname = 'about') from pg_class"
        " where relkind = 'r' and relnamespace = (select oid from pg_namespace where nspname = %s)",
        (schema,),
    ).fetchall()
    if not tables:
        return None
    if not ours:
        raise _refused(
            place,
            f"the schema {schema!r} holds tables of another program; name another database",
        )
    about = sql.SQL("select newsletter, version, cluster from {}.about")
    ((newsletter, version, cluster),) = connection.execute(
        about.format(sql.Identifier(schema))
    ).fetchall()
    if newsletter != place.newsletter:
        raise _refused(
            place,
            f"the schema {schema!r} is that of the newsletter {newsletter!r}, not of"
            f" {place.newsletter!r}: correct newsletter.id, or name another database",
        )
    if version > len(MIGRATIONS):
        raise _refused(
            place,
            f"the ledger was written by a newer version of this program (schema {version}, this one"
            f" knows {len(MIGRATIONS)}); install that version",
        )
    if not restored and cluster != cluster_of(connection):
        raise StateError(
            place.name,
            "this server is not the one that the ledger was made on: it was restored from a copy,"
            " and may have forgotten who was mailed. When that is so or not, say: newsletter state"
            " restored",
        )
    return int(version)


def meaning(error: psycopg.Error) -> tuple[str, int]:
    """Return in plain words what a server said, with what to do, and the exit code."""
    words = " ".join(str(error).split()) or type(error).__name__
    for kind, advice, code in _ADVICE:
        if isinstance(error, kind):
            return f"{words}; {advice}", code
    said = _SAID if isinstance(error, psycopg.OperationalError) else ()
    return next(
        ((f"{words}; {advice}", code) for part, advice, code in said if part in words),
        (f"cannot be reached or asked: {words}", IO),
    )


def _refused(place: Place, reason: str) -> StateError:
    return StateError(place.name, reason, exit_code=CONFIG)


_ADVICE: tuple[tuple[type[psycopg.Error], str, int], ...] = (
    (errors.DiskFull, "make room on the disk under the database, then run again", IO),
    (
        errors.InsufficientPrivilege,
        "let this role create its schema: grant create on database NAME to ROLE",
        CONFIG,
    ),
    (errors.ReadOnlySqlTransaction, "the server only reads now: name the primary", IO),
    (errors.TooManyConnections, "raise max_connections, or run fewer senders", TEMPORARY),
)
# libpq gives no code where a connection cannot be made, only the server's words.
_SAID = (
    ("too many clients", "raise max_connections, or run fewer senders", TEMPORARY),
    ("connection slots are reserved", "raise max_connections, or run fewer senders", TEMPORARY),
    ("too many connections", "raise the limit, or run fewer senders", TEMPORARY),
    ("password authentication failed", "is NEWSLETTER_STATE__PASSWORD right?", CONFIG),
    ("no password supplied", "set NEWSLETTER_STATE__PASSWORD", CONFIG),
    ("no pg_hba.conf entry", "let this machine in, in pg_hba.conf", CONFIG),
    ("does not exist", "create it, or correct state.url", CONFIG),
    ("not known", "is the host in state.url right?", CONFIG),
    ("could not translate host name", "is the host in state.url right?", CONFIG),
    ("failed to resolve host", "is the host in state.url right?", CONFIG),
)
