"""The settings of channels in the reader's language. Adapters write them in English and know no catalogue; what is
not here is shown as they wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def channel_words(_: Callable[..., str]) -> Mapping[str, str]:
    """From the English of a title, label or help text to the reader's words; `_` is his gettext."""
    return {
        "E-mail": _("E-mail"),
        "SMTP server": _("SMTP server"),
        "For example smtp.example.com.": _("For example smtp.example.com."),
        "Port": _("Port"),
        "587 for starttls, 465 for tls.": _("587 for starttls, 465 for tls."),
        "Encryption": _("Encryption"),
        "starttls (usual), tls or none.": _("starttls (usual), tls or none."),
        "User name": _("User name"),
        "Password": _("Password"),
        "From address": _("From address"),
        "The shop's address, as shoppers see it.": _("The shop's address, as shoppers see it."),
        "Domain for bounces": _("Domain for bounces"),
        "Undeliverable messages go to bounces+…@ this domain; empty: to the from address.": _(
            "Undeliverable messages go to bounces+…@ this domain; empty: to the from address."
        ),
        "DKIM selector": _("DKIM selector"),
        "Empty if the provider signs.": _("Empty if the provider signs."),
        "DKIM domain": _("DKIM domain"),
        "Empty: that of the from address.": _("Empty: that of the from address."),
        "DKIM private key": _("DKIM private key"),
        "RSA, PEM.": _("RSA, PEM."),
        "Bounce mailbox: IMAP server": _("Bounce mailbox: IMAP server"),
        "The mailbox that takes bounces+…@; it is for nothing else.": _(
            "The mailbox that takes bounces+…@; it is for nothing else."
        ),
        "Bounce mailbox: port": _("Bounce mailbox: port"),
        "993 (usual); 143 signs in after STARTTLS.": _("993 (usual); 143 signs in after STARTTLS."),
        "Bounce mailbox: user": _("Bounce mailbox: user"),
        "Bounce mailbox: password": _("Bounce mailbox: password"),
        "Bounce mailbox: folder": _("Bounce mailbox: folder"),
        "Empty: INBOX.": _("Empty: INBOX."),
        "Klaviyo (events)": _("Klaviyo (events)"),
        "Private API key": _("Private API key"),
        "With the scope events:write: pk_…": _("With the scope events:write: pk_…"),
        "Rate": _("Rate"),
        "XL (350 a second, 3,500 a minute, Klaviyo's for events), L, M or S where others use the same key.": _(
            "XL (350 a second, 3,500 a minute, Klaviyo's for events), L, M or S where others use the same key."
        ),
        "Address of the API": _("Address of the API"),
        "Empty: https://a.klaviyo.com": _("Empty: https://a.klaviyo.com"),
        "E-mail by a provider's API": _("E-mail by a provider's API"),
        "Provider": _("Provider"),
        "postmark (usual), resend or mailgun.": _("postmark (usual), resend or mailgun."),
        "The shop's address; the provider must have verified its domain.": _(
            "The shop's address; the provider must have verified its domain."
        ),
        "API key": _("API key"),
        "The server API token.": _("The server API token."),
        "A key with sending access.": _("A key with sending access."),
        "The account's API key.": _("The account's API key."),
        "Secret of the reports": _("Secret of the reports"),
        "A long password of your own; it is part of the webhook's address.": _(
            "A long password of your own; it is part of the webhook's address."
        ),
        "The webhook's signing secret: whsec_…": _("The webhook's signing secret: whsec_…"),
        "The HTTP webhook signing key.": _("The HTTP webhook signing key."),
        "Message stream": _("Message stream"),
        "Empty: outbound. Ask Postmark which stream restock alerts belong to.": _(
            "Empty: outbound. Ask Postmark which stream restock alerts belong to."
        ),
        "Sending domain": _("Sending domain"),
        "Region": _("Region"),
        "us (usual) or eu.": _("us (usual) or eu."),
        "Messages per second": _("Messages per second"),
        "Empty: 2 at Resend, elsewhere as many as it takes. 0: no limit.": _(
            "Empty: 2 at Resend, elsewhere as many as it takes. 0: no limit."
        ),
        "Empty: the provider's own.": _("Empty: the provider's own."),
        "Omnisend (events)": _("Omnisend (events)"),
        "With the permission to write events.": _("With the permission to write events."),
        "Events per minute": _("Events per minute"),
        "Empty: 400, which is all Omnisend takes of one brand; less where others send too.": _(
            "Empty: 400, which is all Omnisend takes of one brand; less where others send too."
        ),
        "Empty: https://api.omnisend.com": _("Empty: https://api.omnisend.com"),
        "SMS by a webhook of your own": _("SMS by a webhook of your own"),
        "Address": _("Address"),
        "It takes a signed POST for each text.": _("It takes a signed POST for each text."),
        "Signing secret": _("Signing secret"),
        "whsec_ and base64 of at least 16 bytes.": _("whsec_ and base64 of at least 16 bytes."),
        "Sender": _("Sender"),
        "Passed on; empty: your address decides.": _("Passed on; empty: your address decides."),
        "Counts each text once": _("Counts each text once"),
        "yes where your address sends a text only once for a webhook-id; then a lost answer is repeated.": _(
            "yes where your address sends a text only once for a webhook-id; then a lost answer is repeated."
        ),
        "Empty: no limit.": _("Empty: no limit."),
        "SMS by Twilio": _("SMS by Twilio"),
        "Account SID": _("Account SID"),
        "AC and 32 more characters.": _("AC and 32 more characters."),
        "Auth token": _("Auth token"),
        "It also signs what Twilio tells us.": _("It also signs what Twilio tells us."),
        "A number (+33…), a short code, a name of up to 11 letters, or a messaging service (MG…).": _(
            "A number (+33…), a short code, a name of up to 11 letters, or a messaging service (MG…)."
        ),
        "Empty: no limit of our own; Twilio queues what its numbers cannot send at once.": _(
            "Empty: no limit of our own; Twilio queues what its numbers cannot send at once."
        ),
        "Empty: https://api.twilio.com": _("Empty: https://api.twilio.com"),
        "Web push": _("Web push"),
        "Contact": _("Contact"),
        "An e-mail or https address at which push services can reach you.": _(
            "An e-mail or https address at which push services can reach you."
        ),
        "Private key": _("Private key"),
        "Made by Dispo. Enter one only to keep subscriptions that were made with it elsewhere.": _(
            "Made by Dispo. Enter one only to keep subscriptions that were made with it elsewhere."
        ),
    }
