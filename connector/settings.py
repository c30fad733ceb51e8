"""The settings of one installation: the only reader of the environment.

Everything else, the tests included, is handed a `Settings`. What a merchant decides lives in the
database, not here.
"""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

from cryptography.fernet import Fernet

from connector.environ import SettingsError as SettingsError
from connector.environ import boolean_of, choice_of, integer_of, items_of, text_of
from connector.plans import Catalogue, PlansError, read_catalogue

SmtpSecurity = Literal["starttls", "tls", "none"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

NAMES = (
    "DISPO_ALLOWED_PRIVATE_HOSTS",
    "DISPO_BASE_URL",
    "DISPO_BIGCOMMERCE_BASE_URL",
    "DISPO_BIGCOMMERCE_CLIENT_ID",
    "DISPO_BIGCOMMERCE_CLIENT_SECRET",
    "DISPO_BIGCOMMERCE_OLD_CLIENT_SECRET",
    "DISPO_CA_FILE",
    "DISPO_DATA_DIR",
    "DISPO_DEMO",
    "DISPO_FEED_ACCEPTED",
    "DISPO_FEED_DAYS",
    "DISPO_FEED_DIRECTORIES",
    "DISPO_FEED_SOURCE_BYTES",
    "DISPO_FEED_TOTAL_BYTES",
    "DISPO_LOG_LEVEL",
    "DISPO_MAX_FEED_BYTES",
    "DISPO_PLANS",
    "DISPO_SECRET_KEYS",
    "DISPO_SHOPIFY_BASE_URL",
    "DISPO_SHOPIFY_CLIENT_ID",
    "DISPO_SHOPIFY_CLIENT_SECRET",
    "DISPO_SHOPIFY_OLD_CLIENT_SECRET",
    "DISPO_SHOPIFY_PARTNER_BASE_URL",
    "DISPO_SHOPIFY_PARTNER_ORGANIZATION",
    "DISPO_SHOPIFY_PARTNER_TOKEN",
    "DISPO_SMTP_FROM",
    "DISPO_SMTP_HOST",
    "DISPO_SMTP_PASSWORD",
    "DISPO_SMTP_PORT",
    "DISPO_SMTP_SECURITY",
    "DISPO_SMTP_USERNAME",
    "DISPO_TRUSTED_PROXIES",
    "DISPO_WEB_HOST",
    "DISPO_WEB_WORKERS",
)
"""Our own variables. `DATABASE_URL`, `REDIS_URL` and `PORT` are read too, under the names that
hosting platforms give them."""

_SMTP_PORTS: Mapping[SmtpSecurity, int] = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class AppKeys:
    """The operator's own app on a platform with an app store: what its developer page shows.

    `old_secret` is accepted beside `secret` for as long as it is set: the platform signs with either for
    a while after a rotation. `base_url` replaces every shop's own address, for a simulator only. `partner_*`
    are those of the operator's organization there, which is asked for the plans of shops; empty: each shop is.
    """

    client_id: str
    secret: str = field(repr=False)
    old_secret: str = field(default="", repr=False)
    base_url: str = ""
    partner_organization: str = ""
    partner_token: str = field(default="", repr=False)
    partner_base_url: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What the platform may have signed with, the present secret first."""
        return tuple(one for one in (self.secret, self.old_secret) if one)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One installation. Secrets are left out of the representation.

    `database_url` and `redis_url` empty mean: embedded servers under `data_dir`. The first of
    `secret_keys` (Fernet keys) seals, all of them open. `base_url` is the address that people and
    platforms reach us under, without a final slash. `allowed_private_hosts` are host names or
    "host:port" that may be called although they are private. `ca_file` is an extra bundle of
    certificates to trust, or empty. `smtp_*` is the installation's own mail, off while `smtp_host` is
    empty. `feed_directories` are the only directories a file feed may read. `max_feed_bytes` caps
    one download. `feed_days` and so on say how long suppliers' files are kept (`connector.intake.retention`).
    `apps` are our apps in platforms' app stores, by adapter; none: shops are connected by
    hand. `plans` is what the operator's plans allow; None: everything, to everybody.
    """

    data_dir: Path
    database_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    secret_keys: tuple[str, ...] = field(default=(), repr=False)
    base_url: str = "http://127.0.0.1:8000"
    web_host: str = "127.0.0.1"
    web_port: int = 8000
    web_workers: int = 1
    trusted_proxies: int = 0
    allowed_private_hosts: frozenset[str] = frozenset()
    ca_file: str = ""
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_username: str = ""
    smtp_password: str = field(default="", repr=False)
    smtp_security: SmtpSecurity = "starttls"
    smtp_from: str = ""
    feed_directories: tuple[Path, ...] = ()
    log_level: LogLevel = "INFO"
    is_demo: bool = False
    max_feed_bytes: int = 2_000_000_000
    feed_days: int = 90
    feed_accepted: int = 14
    feed_source_bytes: int = 2_000_000_000
    feed_total_bytes: int = 20_000_000_000
    apps: Mapping[str, AppKeys] = field(default_factory=dict, repr=False)
    plans: Catalogue | None = None


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings that `environ` describes; an empty variable counts as absent.

    Generates `secret_keys` once, into the data directory, when none are given. Raises SettingsError
    for a value that cannot be used and for a name of ours that is misspelt.
    """
    _refuse_misspelt(environ)
    data_dir = Path(text_of(environ, "DISPO_DATA_DIR", ".dispo")).expanduser().absolute()
    security = choice_of(environ, "DISPO_SMTP_SECURITY", get_args(SmtpSecurity), "starttls")
    smtp_security = cast(SmtpSecurity, security)
    smtp_host = text_of(environ, "DISPO_SMTP_HOST")
    smtp_from = text_of(environ, "DISPO_SMTP_FROM")
    if smtp_host and "@" not in smtp_from:
        raise SettingsError(
            "DISPO_SMTP_FROM",
            "Mail is on (DISPO_SMTP_HOST is set) but the sender is missing or not an address.",
            "Set it to an address of yours, as in DISPO_SMTP_FROM=stock@shop.example.",
        )
    port = integer_of(environ, "PORT", 8000, 1, 65535)
    return Settings(
        data_dir=data_dir,
        database_url=_database_url(environ),
        redis_url=_redis_url(environ),
        secret_keys=_secret_keys(environ, data_dir),
        base_url=_base_url(environ, port),
        web_host=text_of(environ, "DISPO_WEB_HOST", "127.0.0.1"),
        web_port=port,
        web_workers=integer_of(environ, "DISPO_WEB_WORKERS", 1, 1, 256),
        trusted_proxies=integer_of(environ, "DISPO_TRUSTED_PROXIES", 0, 0, 9),
        allowed_private_hosts=frozenset(
            host.lower() for host in items_of(environ, "DISPO_ALLOWED_PRIVATE_HOSTS")
        ),
        ca_file=_ca_file(environ),
        smtp_host=smtp_host,
        smtp_port=integer_of(environ, "DISPO_SMTP_PORT", _SMTP_PORTS[smtp_security], 1, 65535),
        smtp_username=text_of(environ, "DISPO_SMTP_USERNAME"),
        smtp_password=environ.get("DISPO_SMTP_PASSWORD", ""),
        smtp_security=smtp_security,
        smtp_from=smtp_from,
        feed_directories=_directories(environ, "DISPO_FEED_DIRECTORIES"),
        log_level=cast(LogLevel, choice_of(environ, "DISPO_LOG_LEVEL", get_args(LogLevel), "INFO")),
        is_demo=boolean_of(environ, "DISPO_DEMO"),
        max_feed_bytes=integer_of(environ, "DISPO_MAX_FEED_BYTES", 2_000_000_000, 1, 2**63 - 1),
        feed_days=integer_of(environ, "DISPO_FEED_DAYS", 90, 1, 36_500),
        feed_accepted=integer_of(environ, "DISPO_FEED_ACCEPTED", 14, 1, 10_000),
        feed_source_bytes=integer_of(environ, "DISPO_FEED_SOURCE_BYTES", 2_000_000_000, 1, 2**63 - 1),
        feed_total_bytes=integer_of(environ, "DISPO_FEED_TOTAL_BYTES", 20_000_000_000, 1, 2**63 - 1),
        apps=_apps(environ),
        plans=_plans(environ),
    )


def child_environment(
    settings: Settings, extra: Mapping[str, str] | None = None, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment for a process of ours that shall run with these settings: this one's, with the
    addresses of the servers, the allowed hosts and `extra` set."""
    return {
        **environ,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "DISPO_DATA_DIR": str(settings.data_dir),
        "DISPO_ALLOWED_PRIVATE_HOSTS": ",".join(sorted(settings.allowed_private_hosts)),
        "DISPO_DEMO": "1" if settings.is_demo else "0",
        **(extra or {}),
    }


def _refuse_misspelt(environ: Mapping[str, str]) -> None:
    # Only near misses: a name that resembles none of ours may belong to a newer release running beside.
    for name in sorted(environ):
        if name.startswith("DISPO_") and name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.9)
            if near:
                raise SettingsError(name, "There is no such setting.", f"Did you mean {near[0]}?")


_APPS: Mapping[str, str] = {
    "bigcommerce": "Copy both from the app in BigCommerce's Developer Portal.",
    "shopify": "Copy both from the app's settings in Shopify's Dev Dashboard.",
}


def _apps(environ: Mapping[str, str]) -> dict[str, AppKeys]:
    found = {}
    for adapter, remedy in _APPS.items():
        name = f"DISPO_{adapter.upper()}"
        client_id = text_of(environ, f"{name}_CLIENT_ID")
        secret = text_of(environ, f"{name}_CLIENT_SECRET")
        if bool(client_id) != bool(secret):
            missing = f"{name}_CLIENT_SECRET" if client_id else f"{name}_CLIENT_ID"
            raise SettingsError(missing, "Only one of the app's client ID and client secret is set.", remedy)
        if client_id:
            old_secret = text_of(environ, f"{name}_OLD_CLIENT_SECRET")
            base_url = text_of(environ, f"{name}_BASE_URL").rstrip("/")
            found[adapter] = AppKeys(client_id, secret, old_secret, base_url, *_partner(environ, name))
        elif text_of(environ, f"{name}_PARTNER_TOKEN") or text_of(environ, f"{name}_PARTNER_ORGANIZATION"):
            raise SettingsError(f"{name}_CLIENT_ID", "Plans are to be asked for, but of no app.", remedy)
    return found


def _partner(environ: Mapping[str, str], name: str) -> tuple[str, str, str]:
    organization = text_of(environ, f"{name}_PARTNER_ORGANIZATION")
    token = text_of(environ, f"{name}_PARTNER_TOKEN")
    if organization and not (organization.isascii() and organization.isdigit()):
        raise SettingsError(
            f"{name}_PARTNER_ORGANIZATION",
            f"{organization!r} is not an organization's number.",
            "It stands in the address of the Partner Dashboard, behind partners.shopify.com/.",
        )
    if bool(organization) != bool(token):
        missing = "TOKEN" if organization else "ORGANIZATION"
        raise SettingsError(
            f"{name}_PARTNER_{missing}",
            "Only one of the organization's number and its access token is set.",
            "Set both, or neither: then each shop is asked for its plan itself.",
        )
    return organization, token, text_of(environ, f"{name}_PARTNER_BASE_URL").rstrip("/")


def _plans(environ: Mapping[str, str]) -> Catalogue | None:
    path = text_of(environ, "DISPO_PLANS")
    if not path:
        return None
    try:
        return read_catalogue(Path(path).expanduser())
    except PlansError as error:
        raise SettingsError("DISPO_PLANS", error.problem, error.remedy) from error


def _database_url(environ: Mapping[str, str]) -> str:
    text = text_of(environ, "DATABASE_URL")
    if not text:
        return ""
    scheme, found, rest = text.partition("://")
    if not found or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise SettingsError(
            "DATABASE_URL",
            "It is not the address of a PostgreSQL database.",
            "Use postgresql://user:password@host/database, or leave it empty for the embedded server.",
        )
    return f"postgresql+psycopg://{rest}"


def _redis_url(environ: Mapping[str, str]) -> str:
    text = text_of(environ, "REDIS_URL")
    if text and text.partition("://")[0] not in {"redis", "rediss", "unix"}:
        raise SettingsError(
            "REDIS_URL",
            "It is not the address of a Redis server.",
            "Use redis://, rediss:// or unix://, or leave it empty for the embedded server.",
        )
    return text


def _base_url(environ: Mapping[str, str], port: int) -> str:
    text = text_of(environ, "DISPO_BASE_URL", f"http://127.0.0.1:{port}").rstrip("/")
    try:
        parts = urlsplit(text)
        is_usable = (
            parts.scheme in {"http", "https"} and parts.hostname and not (parts.query or parts.fragment)
        )
    except ValueError:  # an address in brackets that is none
        is_usable = False
    if not is_usable:
        raise SettingsError(
            "DISPO_BASE_URL",
            f"{text!r} is not a web address.",
            "Use the address people reach Dispo under, as in https://dispo.shop.example.",
        )
    return text


def _ca_file(environ: Mapping[str, str]) -> str:
    text = text_of(environ, "DISPO_CA_FILE")
    if text and not Path(text).expanduser().is_file():
        raise SettingsError(
            "DISPO_CA_FILE", f"There is no file {text!r}.", "Name a PEM file of certificates."
        )
    return str(Path(text).expanduser().absolute()) if text else ""


def _directories(environ: Mapping[str, str], name: str) -> tuple[Path, ...]:
    found = tuple(Path(text).expanduser().absolute() for text in items_of(environ, name))
    for path in found:
        if not path.is_dir():
            raise SettingsError(
                name, f"There is no directory {str(path)!r}.", "Create it or correct the name."
            )
    return found


def _secret_keys(environ: Mapping[str, str], data_dir: Path) -> tuple[str, ...]:
    keys = items_of(environ, "DISPO_SECRET_KEYS")
    name = "DISPO_SECRET_KEYS"
    if not keys:
        path = data_dir / "secret_keys"
        name = str(path)
        text = _read(path)
        keys = tuple((_create_keys(path) if text is None else text).split())
    for number, key in enumerate(keys, 1):
        try:
            Fernet(key)
        except ValueError:
            raise SettingsError(
                name,
                f"Key {number} of {len(keys)} is not a Fernet key (32 bytes in URL-safe base64).",
                "Restore it from your backup: without it, stored credentials cannot be opened. "
                "A new key is made by: python -c "
                "'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'",
            ) from None  # the cause would show part of the key
    if not keys:
        raise SettingsError(
            name,
            "The file is empty.",
            "Restore it from your backup, or delete it to start with a new key and connect everything again.",
        )
    return keys


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(
            str(path), f"It cannot be read ({type(exc).__name__}).", "Give this user the right to read it."
        ) from exc


def _create_keys(path: Path) -> str:
    """Write one new key with mode 600 and return what the file holds.

    The complete file is linked into place: of two processes that start together one wins, and the
    other reads the winner's key, never half of it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".secret_keys-")
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(Fernet.generate_key().decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            Path(temporary).unlink()
    except OSError as exc:
        raise SettingsError(
            "DISPO_DATA_DIR",
            f"The directory {str(path.parent)!r} cannot be written ({type(exc).__name__}).",
            "Name a directory that this user may write, or set DISPO_SECRET_KEYS.",
        ) from exc
    return path.read_text(encoding="ascii")
