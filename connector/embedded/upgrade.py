"""Moves an embedded cluster to a newer major version of PostgreSQL by dump and restore."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from connector.embedded.postgres import DATABASE, SOCKET, Programs, create_cluster, launch
from connector.embedded.server import EmbeddedError, give, socket_directory

log = logging.getLogger(__name__)


def upgrade(directory: Path, old: Programs, new: Programs) -> None:
    """Restore what `directory/<old major>` holds into a new cluster `directory/<new major>`.

    Dumped by the new version's programs, as PostgreSQL advises. The new cluster takes its name only
    when it is complete; the old one is kept as `<old major>.replaced-by-<new major>`, which nothing
    reads any more. Raises EmbeddedError, the old cluster then being as it was.
    """
    before = directory / str(old.major)
    after = directory / str(new.major)
    building = directory / f"{new.major}.partial"
    dump = directory / f"dump-{old.major}.partial"
    log.warning("Upgrading %s from PostgreSQL %d to %d.", directory, old.major, new.major)
    try:
        if old.owner is not None:
            give(directory, old.owner)
        with launch(old, before):
            sockets = socket_directory(directory, SOCKET, old.owner)
            new.run("pg_dump", "-h", sockets, "-U", DATABASE, "-Fd", "-j2", "-f", dump, DATABASE)
        create_cluster(new, building, durable=True)
        with launch(new, building):
            sockets = socket_directory(directory, SOCKET, new.owner)
            new.run(
                "pg_restore", "-h", sockets, "-U", DATABASE, "-d", DATABASE, "-j2", "--exit-on-error", dump
            )
            new.run("vacuumdb", "-h", sockets, "-U", DATABASE, "-d", DATABASE, "--analyze-only", "-q")
    except EmbeddedError as exc:
        raise EmbeddedError(
            f"The upgrade of {directory} from PostgreSQL {old.major} to {new.major} failed and changed "
            f"nothing. {exc} To go on as before, use PostgreSQL {old.major}."
        ) from exc
    # In this order: a crash between the two finds the new cluster beside the old one, and the newer wins.
    building.rename(after)
    before.rename(directory / f"{before.name}.replaced-by-{new.major}")
    shutil.rmtree(dump)
