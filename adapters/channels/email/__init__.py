"""E-mail by SMTP: one message over any provider's server, DKIM-signed, unsubscribable in one click."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from email_validator import EmailNotValidError, validate_email

from adapters.channels.email.adapter import EmailChannel
from adapters.channels.email.bounce_mailbox import BounceMailbox
from adapters.channels.email.compose import NAME, DkimKey, Sender
from adapters.channels.email.connections import Server
from adapters.kit.imap import ImapAccount
from connector.ports.errors import Misconfigured
from connector.registry import Environment, Field, Manifest

_PORTS = {"none": 25, "starttls": 587, "tls": 465}
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,253}")
_DOMAIN = re.compile(
    r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
)
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_MIN_KEY_BITS = 1024


def build(config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment) -> EmailChannel:
    """One sending account; no network. Raises Misconfigured with the field for an impossible setting."""
    security = str(config.get("security") or "starttls")
    if security not in _PORTS:
        raise _bad("security", "It is none of: none, starttls, tls.", "Use starttls with port 587.")
    host = _text(config, "host")
    if not _HOST.fullmatch(host):
        raise _bad("host", "This is not a host name.", "Enter it as smtp.example.com, without https://.")
    username, password = _text(config, "username", is_required=False), str(secrets.get("password") or "")
    if bool(username) != bool(password):
        missing = "password" if username else "username"
        raise _bad(missing, "User name and password go together.", f"Fill in {missing}, or neither.")
    if not password.isascii():
        raise _bad("password", "SMTP sign-in takes plain characters only.", "Choose another password.")
    if username and security == "none" and not _is_allowed(environment, host):
        raise _bad("security", "A password must not travel unencrypted.", "Use starttls or tls.")
    from_address = _from_address(config)
    domain = from_address.rpartition("@")[2]
    return EmailChannel(
        Server(host, _port(config, security), security, username, password),
        Sender(
            from_address=from_address,
            domain=domain,
            return_path_domain=_domain(config, "return_path_domain"),
            dkim=_dkim_key(config, secrets, domain),
        ),
        environment,
    )


def report_mailbox(
    config: Mapping[str, Any], secrets: Mapping[str, str], environment: Environment
) -> BounceMailbox | None:
    """The mailbox of bounces; None where none is named. Raises Misconfigured with the field."""
    host = _text(config, "bounce_host", is_required=False)
    if not host:
        return None
    if not _HOST.fullmatch(host):
        raise _bad(
            "bounce_host", "This is not a host name.", "Enter it as imap.example.com, without imaps://."
        )
    port = str(config.get("bounce_port") or "993")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise _bad("bounce_port", "A port is a number from 1 to 65535.", "Use 993, or 143 for STARTTLS.")
    password = str(secrets.get("bounce_password") or "")
    if not password:
        raise _bad("bounce_password", "The setting is missing.", "Fill in bounce_password.")
    account = ImapAccount(host, int(port), port != "143", _text(config, "bounce_username"), password)
    folder = _text(config, "bounce_folder", is_required=False) or "INBOX"
    return BounceMailbox(account, folder, _domain(config, "return_path_domain"), environment)


def _is_allowed(environment: Environment, host: str) -> bool:
    return any(allowed.partition(":")[0] == host for allowed in environment.allowed_private_hosts)


def _bad(field: str, cause: str, remedy: str) -> Misconfigured:
    return Misconfigured(NAME, field, cause, remedy, field=field)


def _text(config: Mapping[str, Any], name: str, *, is_required: bool = True) -> str:
    value = str(config.get(name) or "").strip()
    if is_required and not value:
        raise _bad(name, "The setting is missing.", f"Fill in {name}.")
    if not value.isprintable():
        raise _bad(name, "It holds a control character.", "Type it in again.")
    return value


def _port(config: Mapping[str, Any], security: str) -> int:
    text = str(config.get("port") or _PORTS[security])
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65_536:
        raise _bad("port", "A port is a number from 1 to 65535.", f"Use {_PORTS[security]}.")
    return int(text)


def _from_address(config: Mapping[str, Any]) -> str:
    try:
        found = validate_email(
            _text(config, "from_address"), check_deliverability=False, globally_deliverable=False
        )
    except EmailNotValidError as exc:
        raise _bad("from_address", "This is not an e-mail address.", "Enter it as shop@example.com.") from exc
    if found.ascii_email is None:
        # Every receiver must be able to answer and to check the sender.
        raise _bad(
            "from_address", "Its name part holds letters beyond a–z.", "Use an address in plain letters."
        )
    return found.ascii_email


def _domain(config: Mapping[str, Any], name: str) -> str:
    value = _text(config, name, is_required=False).lower()
    if not value:
        return ""
    try:
        ascii_value = value.encode("idna").decode()
    except UnicodeError:
        ascii_value = ""
    if not _DOMAIN.fullmatch(ascii_value):
        raise _bad(name, "This is not a domain.", "Enter it as shop.example.com.")
    return ascii_value


def _dkim_key(config: Mapping[str, Any], secrets: Mapping[str, str], from_domain: str) -> DkimKey | None:
    selector = _text(config, "dkim_selector", is_required=False)
    domain = _domain(config, "dkim_domain")
    pem = str(secrets.get("dkim_private_key") or "").strip()
    if not (selector or domain or pem):
        return None
    for name, value in (("dkim_selector", selector), ("dkim_private_key", pem)):
        if not value:
            raise _bad(name, "Selector and private key go together.", f"Fill in {name}, or neither.")
    if not _LABEL.fullmatch(selector):
        raise _bad("dkim_selector", "This is not a selector.", "Use letters and digits, for example dispo1.")
    domain = domain or from_domain
    if from_domain != domain and not from_domain.endswith(f".{domain}"):
        # Another domain's signature is valid but not aligned, and DMARC then refuses the message.
        raise _bad("dkim_domain", "It is not the domain of the from address.", f"Use {from_domain}.")
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError) as exc:
        raise _bad(
            "dkim_private_key", "This is no private key, or it has a password.", "Paste an RSA key in PEM."
        ) from exc
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < _MIN_KEY_BITS:
        raise _bad("dkim_private_key", "It is not an RSA key of 1024 bits or more.", "Make one of 2048 bits.")
    plain = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return DkimKey(selector.encode(), domain.encode(), plain)


MANIFEST = Manifest(
    name=NAME,
    title="E-mail",
    fields=(
        Field("host", "SMTP server", help="For example smtp.example.com."),
        Field("port", "Port", is_required=False, help="587 for starttls, 465 for tls."),
        Field("security", "Encryption", is_required=False, help="starttls (usual), tls or none."),
        Field("username", "User name", is_required=False),
        Field("password", "Password", is_secret=True, is_required=False),
        Field("from_address", "From address", help="The shop's address, as shoppers see it."),
        Field(
            "return_path_domain",
            "Domain for bounces",
            is_required=False,
            help="Undeliverable messages go to bounces+…@ this domain; empty: to the from address.",
        ),
        Field("dkim_selector", "DKIM selector", is_required=False, help="Empty if the provider signs."),
        Field("dkim_domain", "DKIM domain", is_required=False, help="Empty: that of the from address."),
        Field("dkim_private_key", "DKIM private key", is_secret=True, is_required=False, help="RSA, PEM."),
        Field(
            "bounce_host",
            "Bounce mailbox: IMAP server",
            is_required=False,
            is_rare=True,
            help="The mailbox that takes bounces+…@; it is for nothing else.",
        ),
        Field(
            "bounce_port",
            "Bounce mailbox: port",
            is_required=False,
            is_rare=True,
            help="993 (usual); 143 signs in after STARTTLS.",
        ),
        Field("bounce_username", "Bounce mailbox: user", is_required=False, is_rare=True),
        Field("bounce_password", "Bounce mailbox: password", is_secret=True, is_required=False, is_rare=True),
        Field(
            "bounce_folder", "Bounce mailbox: folder", is_required=False, is_rare=True, help="Empty: INBOX."
        ),
    ),
    build=build,
    report_mailbox=report_mailbox,
    medium="email",
    help_page="adapters/email.md",
)
