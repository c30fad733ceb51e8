"""Settings: what is read, what is refused, and that no secret is shown."""

from __future__ import annotations

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from connector.settings import NAMES, AppKeys, Settings, SettingsError, load_settings
from tests.conftest import ROOT

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER_KEY = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="


def load(tmp_path: Path, **environ: str) -> Settings:
    return load_settings({"DISPO_DATA_DIR": str(tmp_path), "DISPO_SECRET_KEYS": KEY, **environ})


def test_an_empty_environment_gives_the_embedded_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = load_settings({})
    assert found == Settings(data_dir=tmp_path / ".dispo", secret_keys=found.secret_keys)
    assert (found.database_url, found.redis_url, found.base_url) == ("", "", "http://127.0.0.1:8000")
    assert (tmp_path / ".dispo" / "secret_keys").read_text() == f"{found.secret_keys[0]}\n"


def test_every_variable_is_read(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    feeds, more = tmp_path / "feeds", tmp_path / "more"
    feeds.mkdir()
    more.mkdir()
    found = load_settings(
        {
            "DATABASE_URL": "postgres://me:pw@db/dispo?sslmode=require",
            "REDIS_URL": "rediss://cache:6380/1",
            "PORT": "9000",
            "DISPO_ALLOWED_PRIVATE_HOSTS": "ERP.lan:8069, nas.lan",
            "DISPO_BASE_URL": "https://dispo.example/app/",
            "DISPO_CA_FILE": str(bundle),
            "DISPO_DATA_DIR": str(tmp_path / "data"),
            "DISPO_DEMO": "yes",
            "DISPO_FEED_DIRECTORIES": f"{feeds},{more}",
            "DISPO_LOG_LEVEL": "debug",
            "DISPO_MAX_FEED_BYTES": "5_000",
            "DISPO_SECRET_KEYS": f"{KEY},{OTHER_KEY}",
            "DISPO_SMTP_FROM": "stock@shop.example",
            "DISPO_SMTP_HOST": "smtp.example",
            "DISPO_SMTP_PASSWORD": " p w ",
            "DISPO_SMTP_PORT": "2525",
            "DISPO_SMTP_SECURITY": "TLS",
            "DISPO_SMTP_USERNAME": "me",
            "DISPO_WEB_HOST": "0.0.0.0",
            "DISPO_WEB_WORKERS": "4",
        }
    )
    assert found == Settings(
        data_dir=tmp_path / "data",
        database_url="postgresql+psycopg://me:pw@db/dispo?sslmode=require",
        redis_url="rediss://cache:6380/1",
        secret_keys=(KEY, OTHER_KEY),
        base_url="https://dispo.example/app",
        web_host="0.0.0.0",
        web_port=9000,
        web_workers=4,
        allowed_private_hosts=frozenset({"erp.lan:8069", "nas.lan"}),
        ca_file=str(bundle),
        smtp_host="smtp.example",
        smtp_port=2525,
        smtp_username="me",
        smtp_password=" p w ",
        smtp_security="tls",
        smtp_from="stock@shop.example",
        feed_directories=(feeds, more),
        log_level="DEBUG",
        is_demo=True,
        max_feed_bytes=5000,
    )


@pytest.mark.parametrize(
    ("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)], ids=["starttls", "tls", "none"]
)
def test_the_mail_port_follows_the_security(tmp_path: Path, security: str, port: int) -> None:
    assert load(tmp_path, DISPO_SMTP_SECURITY=security).smtp_port == port


def test_links_use_the_port_we_listen_on(tmp_path: Path) -> None:
    assert load(tmp_path, PORT="8123").base_url == "http://127.0.0.1:8123"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "http", "PORT: 'http' is not a whole number from 1 to 65535. The default is 8000."),
        ("PORT", "70000", "PORT: '70000' is not a whole number from 1 to 65535. The default is 8000."),
        ("PORT", "²", "PORT: '²' is not a whole number from 1 to 65535. The default is 8000."),
        ("PORT", "_", "PORT: '_' is not a whole number from 1 to 65535. The default is 8000."),
        ("PORT", "1__0", "PORT: '1__0' is not a whole number from 1 to 65535. The default is 8000."),
        ("DISPO_DEMO", "maybe", "DISPO_DEMO: 'maybe' is neither yes nor no. Use 1 or 0."),
        ("DISPO_LOG_LEVEL", "loud", "DISPO_LOG_LEVEL: 'loud' is not known. Use one of: DEBUG, INFO, WARNING, ERROR."),
        ("DISPO_SMTP_SECURITY", "ssl", "DISPO_SMTP_SECURITY: 'ssl' is not known. Use one of: starttls, tls, none."),
        ("DISPO_BASE_URL", "shop.example", "DISPO_BASE_URL: 'shop.example' is not a web address."),
        ("DISPO_BASE_URL", "http://[", "DISPO_BASE_URL: 'http://[' is not a web address."),
        ("DISPO_CA_FILE", "/no/such.pem", "DISPO_CA_FILE: There is no file '/no/such.pem'."),
        ("DISPO_FEED_DIRECTORIES", "/no/such", "DISPO_FEED_DIRECTORIES: There is no directory '/no/such'."),
        ("DISPO_SMTP_HOST", "smtp.example", "DISPO_SMTP_FROM: Mail is on (DISPO_SMTP_HOST is set) but"),
        ("DATABASE_URL", "sqlite:///hush.db", "DATABASE_URL: It is not the address of a PostgreSQL database."),
        ("REDIS_URL", "http://:hush@cache", "REDIS_URL: It is not the address of a Redis server."),
        ("DISPO_SECRET_KEYS", f"{KEY},hush", "DISPO_SECRET_KEYS: Key 2 of 2 is not a Fernet key"),
        ("DISPO_SECERT_KEYS", "hush", "DISPO_SECERT_KEYS: There is no such setting. Did you mean DISPO_SECRET_KEYS?"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_refused_by_name_and_remedy(
    tmp_path: Path, name: str, value: str, message: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(tmp_path, **{name: value})
    assert str(refusal.value).startswith(message)
    assert refusal.value.remedy
    assert "hush" not in str(refusal.value)


def test_variables_of_commands_and_of_newer_releases_are_left_alone(tmp_path: Path) -> None:
    assert load(tmp_path, DISPO_TELEPATHY="on", DISPO_PASSWORD="hush") == load(tmp_path)


def test_no_secret_is_in_the_representation(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        DATABASE_URL="postgresql://me:hush@db/dispo",
        REDIS_URL="redis://:hush@cache",
        DISPO_SMTP_PASSWORD="hush",
    )
    assert "hush" not in repr(found)
    assert KEY not in repr(found)


# --- The generated key ------------------------------------------------------------------------------


def test_the_key_is_made_once_and_only_we_may_read_it(tmp_path: Path) -> None:
    environ = {"DISPO_DATA_DIR": str(tmp_path / "new" / "data")}
    first = load_settings(environ)
    path = tmp_path / "new" / "data" / "secret_keys"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load_settings(environ).secret_keys == first.secret_keys
    assert [item.name for item in path.parent.iterdir()] == ["secret_keys"]
    Fernet(first.secret_keys[0])


def test_two_that_start_together_use_the_same_key(tmp_path: Path) -> None:
    environ = {"DISPO_DATA_DIR": str(tmp_path / "data")}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_settings(environ).secret_keys, range(40)))
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [("", "The file is empty."), ("broken\n", "Key 1 of 1 is not a Fernet key")],
    ids=["empty", "damaged"],
)
def test_a_lost_key_is_never_replaced(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "secret_keys"
    path.write_text(content)
    with pytest.raises(SettingsError, match=re.escape(f"{path}: {problem}")):
        load_settings({"DISPO_DATA_DIR": str(tmp_path)})
    assert path.read_text() == content


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="DISPO_DATA_DIR: The directory"):
        load_settings({"DISPO_DATA_DIR": str(tmp_path / "file" / "data")})


# --- Kept in step -----------------------------------------------------------------------------------


def test_the_example_file_shows_every_variable() -> None:
    shown = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert shown == {*NAMES, "DATABASE_URL", "REDIS_URL", "PORT"}


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for folder in ("connector", "adapters", "workers")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\bos\.(environ|getenv)\b|from os import .*\b(environ|getenv)\b", path.read_text())
    }
    # The commands take secrets (a password, a connection's keys) from variables, never as arguments.
    assert {name for name in readers if not name.startswith("connector/cli/")} == {"connector/settings.py"}


def test_an_app_of_a_platform_is_read_with_the_secret_before_a_rotation(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        DISPO_SHOPIFY_CLIENT_ID="client",
        DISPO_SHOPIFY_CLIENT_SECRET="present",
        DISPO_SHOPIFY_OLD_CLIENT_SECRET="old",
        DISPO_SHOPIFY_BASE_URL="http://127.0.0.1:9/",
    )
    assert found.apps == {"shopify": AppKeys("client", "present", "old", "http://127.0.0.1:9")}
    assert found.apps["shopify"].secrets == ("present", "old")
    assert "present" not in repr(found) + repr(found.apps)


@pytest.mark.parametrize("name", ["DISPO_SHOPIFY_CLIENT_ID", "DISPO_SHOPIFY_CLIENT_SECRET"])
def test_half_an_app_is_refused_by_the_name_of_the_other_half(tmp_path: Path, name: str) -> None:
    other = {"DISPO_SHOPIFY_CLIENT_ID", "DISPO_SHOPIFY_CLIENT_SECRET"} - {name}
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, **{name: "given"})
    assert {caught.value.name} == other
    assert "given" not in str(caught.value)
