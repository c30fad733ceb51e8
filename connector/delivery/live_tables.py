"""How often suppliers were asked live, and how often nobody knew."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, tenant


class LiveCheckDay(SQLModel, table=True):
    """One source on one day (UTC): items `asked` of it, `unknown` ones (too late, in error, not known there: the sale
    went on by what we knew), and those of which it said that none is left."""

    __tablename__ = "live_check_day"
    merchant_id: int = tenant()
    source_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    on_date: date = Field(primary_key=True)
    asked: int = 0
    unknown: int = 0
    none_left: int = 0
