"""mypy proves here that each channel adapter keeps the port's signatures; nothing runs."""

from __future__ import annotations

from adapters.channels.email.adapter import EmailChannel
from adapters.channels.mail_api.adapter import MailApiChannel
from connector.ports.channels import Channel


def email(adapter: EmailChannel) -> Channel:
    return adapter


def mail_api(adapter: MailApiChannel) -> Channel:
    return adapter
