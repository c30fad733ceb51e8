"""Every table of the product, imported in one place for migrations and tests."""

import sqlalchemy as sa

from connector.accounts import install_tables as installs
from connector.accounts import plan_tables as plans
from connector.accounts import tables as accounts
from connector.advertising import tables as advertising
from connector.catalog import tables as catalog
from connector.db import SQLModel
from connector.delivery import live_tables as live
from connector.delivery import tables as delivery
from connector.intake import tables as intake
from connector.notices import tables as notices
from connector.outbox import tables as outbox
from connector.positions import currency_tables as currencies
from connector.positions import delivery_tables as promised
from connector.positions import price_tables as prices
from connector.positions import tables as positions
from connector.search import tables as search
from connector.shoppers import import_tables as brought
from connector.shoppers import report_tables as reports
from connector.shoppers import tables as shoppers
from connector.shoppers.at_risk import tables as at_risk

# fmt: off
ROOMS = (
    accounts, installs, plans, outbox, catalog, positions, promised, prices, delivery, intake, shoppers, advertising,
    search, live, currencies, at_risk, reports, brought, notices,
)
# fmt: on
metadata = SQLModel.metadata


def _give_defaults_to_the_database() -> None:
    """Hot paths insert with plain SQL: let the database know the same defaults as the classes."""
    for table in metadata.tables.values():
        for column in table.columns:
            default = column.default
            if default is None or not default.is_scalar or column.server_default is not None:
                continue
            value = default.arg  # type: ignore[attr-defined]
            if isinstance(value, bool):
                literal = "true" if value else "false"
            elif isinstance(value, bytes):
                literal = f"'\\x{value.hex()}'"
            else:
                literal = f"'{value}'"
            column.server_default = sa.DefaultClause(sa.text(literal))


_give_defaults_to_the_database()
