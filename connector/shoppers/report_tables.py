"""What providers told us of messages: each report once."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from connector.db import SQLModel, tenant


class DeliveryReportRow(SQLModel, table=True):
    """One report of a provider, kept so that it is acted on once. `report_digest` is that of the report's id;
    `message_id` the message it is about, 0: none of ours. It holds no address."""

    __tablename__ = "delivery_report"
    __table_args__ = (sa.Index("delivery_report_message_idx", "merchant_id", "message_id"),)
    merchant_id: int = tenant()
    connection_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    report_digest: str = Field(primary_key=True)
    kind: str
    message_id: int = Field(default=0, sa_type=sa.BigInteger)
    at: datetime
    received_at: datetime
    reason: str = ""
