"""mypy proves here that each channel adapter keeps the port's signatures; nothing runs."""

from __future__ import annotations

from adapters.channels.email.adapter import EmailChannel
from adapters.channels.klaviyo.adapter import KlaviyoChannel
from adapters.channels.mail_api.adapter import MailApiChannel
from adapters.channels.omnisend.adapter import OmnisendChannel
from adapters.channels.sms_webhook.adapter import SmsWebhookChannel
from adapters.channels.twilio.adapter import TwilioChannel
from adapters.channels.web_push.adapter import WebPushChannel
from connector.ports.channels import Channel, EventChannel, PushChannel, TextChannel


def email(adapter: EmailChannel) -> Channel:
    return adapter


def mail_api(adapter: MailApiChannel) -> Channel:
    return adapter


def twilio(adapter: TwilioChannel) -> TextChannel:
    return adapter


def sms_webhook(adapter: SmsWebhookChannel) -> TextChannel:
    return adapter


def web_push(adapter: WebPushChannel) -> PushChannel:
    return adapter


def klaviyo(adapter: KlaviyoChannel) -> EventChannel:
    return adapter


def omnisend(adapter: OmnisendChannel) -> EventChannel:
    return adapter
