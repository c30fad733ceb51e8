"""Alembic's environment, configured in code: no ini file, the URL comes from the caller."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from connector.tables import metadata

# Any constant does; it only has to be the same in every process that migrates this product.
MIGRATION_LOCK = 4_020_261_122


def run() -> None:
    engine = sa.create_engine(context.config.attributes["url"], poolclass=sa.NullPool)
    with engine.connect() as connection:
        # Several machines may start at once: the second waits here and then finds nothing to do.
        connection.execute(sa.text("select pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
        context.configure(connection=connection, target_metadata=metadata, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
    engine.dispose()


run()
