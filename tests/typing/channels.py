"""mypy proves here that each channel adapter keeps the port's signatures; nothing runs."""

from __future__ import annotations

from adapters.channels.email.adapter import EmailChannel
from adapters.channels.email.bounce_mailbox import BounceMailbox
from adapters.channels.klaviyo.adapter import KlaviyoChannel
from adapters.channels.mail_api.adapter import MailApiChannel
from adapters.channels.mail_api.mailgun import MailgunReports
from adapters.channels.mail_api.postmark import PostmarkReports
from adapters.channels.mail_api.resend import ResendReports
from adapters.channels.omnisend.adapter import OmnisendChannel
from adapters.channels.sms_webhook.adapter import SmsWebhookChannel, SmsWebhookReports
from adapters.channels.twilio.adapter import TwilioChannel
from adapters.channels.twilio.reports import TwilioReports
from adapters.channels.web_push.adapter import WebPushChannel
from connector.ports.channels import (
    Channel,
    DeliveryReports,
    EventChannel,
    PushChannel,
    ReportMailbox,
    TextChannel,
)


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


def bounce_mailbox(reader: BounceMailbox) -> ReportMailbox:
    return reader


def reports(
    mailgun: MailgunReports,
    postmark: PostmarkReports,
    resend: ResendReports,
    sms: SmsWebhookReports,
    twilio: TwilioReports,
) -> list[DeliveryReports]:
    return [mailgun, postmark, resend, sms, twilio]
