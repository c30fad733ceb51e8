"""The settings of the Google Ads adapter, its errors one by one, and what it loads and trusts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("google.ads.googleads", reason="the extra 'google-ads' is not installed")
pytest.importorskip("trustme", reason="the extra 'simulator' is not installed")

from adapters.ads.google_ads import MANIFEST, build
from adapters.ads.google_ads.faults import Fault, to_port_error
from connector.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Retryable,
    Unauthorized,
    Unsupported,
)
from connector.registry import Environment, manifest
from simulator.google_ads import GoogleAdsServer

GOOD = {"customer_id": "123-456-7890", "client_id": "client"}
SECRETS = {"client_secret": "s3cret", "refresh_token": "r3fresh"}


def test_the_manifest_is_found_by_the_registry() -> None:
    assert manifest("ads", "google_ads") is MANIFEST
    assert [field.name for field in MANIFEST.fields if field.is_secret] == ["client_secret", "refresh_token"]


def test_without_the_extra_the_manifest_loads_and_building_names_the_extra() -> None:
    script = """
import sys
from connector.registry import Environment, manifest
from connector.ports.errors import Misconfigured
found = manifest("ads", "google_ads")
assert [name for name in sys.modules if name.split(".")[0] in ("google", "grpc")] == [], "SDK loaded"
found.build({"customer_id": "1234567890", "client_id": "c"},
            {"client_secret": "s", "refresh_token": "r"}, Environment())
heavy = [name for name in sys.modules if name == "grpc" or name.startswith("google.ads.googleads")]
assert heavy == [], "building loaded the SDK"
for name in list(sys.modules):
    if name.split(".")[0] == "google":
        del sys.modules[name]
sys.modules["google"] = None
try:
    found.build({}, {}, Environment())
except Misconfigured as exc:
    print(exc.field, exc.remedy)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("adapter Install the extra: pip install 'dispo[google-ads]'.\n", "")


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        pytest.param({}, {}, "customer_id", id="no customer id"),
        pytest.param({"customer_id": "123-456-789"}, {}, "customer_id", id="nine digits"),
        pytest.param({"customer_id": "123456789x"}, {}, "customer_id", id="a letter"),
        pytest.param({"login_customer_id": "12"}, {}, "login_customer_id", id="short manager id"),
        pytest.param({"client_id": " "}, {}, "client_id", id="blank client"),
        pytest.param({}, {"client_secret": ""}, "client_secret", id="no client secret"),
        pytest.param({}, {"refresh_token": ""}, "refresh_token", id="no refresh token"),
        pytest.param({"endpoint": "evil.example:443"}, {}, "endpoint", id="an endpoint nobody allowed"),
        pytest.param({"endpoint": "localhost:9@evil.example"}, {}, "endpoint", id="a disguised endpoint"),
        pytest.param({"endpoint": "localhost:10"}, {}, "endpoint", id="another port"),
        pytest.param({"token_uri": "http://evil.example/localhost:9"}, {}, "token_uri", id="token host"),
        pytest.param({"token_uri": "http://localhost:9@evil.example/"}, {}, "token_uri", id="user info"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(
    config: dict[str, str], secrets: dict[str, str], field: str
) -> None:
    base = {} if config == {} and secrets == {} else GOOD
    environment = Environment(allowed_private_hosts=frozenset({"localhost:9"}))
    with pytest.raises(Misconfigured) as caught:
        build({**base, **config}, {**SECRETS, **secrets}, environment)
    assert caught.value.field == field


def test_grpcs_own_bundle_is_used_where_the_installation_names_none(tmp_path: Path) -> None:
    script = """
import json, sys
from connector.registry import Environment, manifest
config, secrets, hosts = json.load(sys.stdin)
environment = Environment(allowed_private_hosts=frozenset(hosts))
print(manifest("ads", "google_ads").build(config, secrets, environment).check().name)
"""
    assert _run(script, tmp_path) == "Simulated shop\n"


def test_the_library_as_google_ships_it_talks_to_the_simulator(tmp_path: Path) -> None:
    script = """
import json, sys
from google.ads.googleads.client import GoogleAdsClient
from google.oauth2.credentials import Credentials
config, secrets, _ = json.load(sys.stdin)
credentials = Credentials(token=None, refresh_token=secrets["refresh_token"],
    token_uri=config["token_uri"], client_id=config["client_id"], client_secret=secrets["client_secret"])
client = GoogleAdsClient(credentials, endpoint=config["endpoint"], version="v26", use_proto_plus=True)
service = client.get_service("GoogleAdsService")
query = "SELECT customer.descriptive_name FROM customer"
for batch in service.search_stream(customer_id=config["customer_id"], query=query):
    for row in batch.results:
        print(row.customer.descriptive_name)
"""
    assert _run(script, tmp_path) == "Simulated shop\n"


def _run(script: str, directory: Path) -> str:
    """What a fresh process prints whose gRPC trusts the simulator by the variable of its own."""
    with GoogleAdsServer(directory=directory) as server:
        ran = subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps([*server.connection(), sorted(server.hosts)]),
            env={
                **os.environ,
                "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(server.ca_file),
                "no_proxy": "localhost",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(
    ("code", "is_write", "error", "detail"),
    [
        ("authentication_error.OAUTH_TOKEN_REVOKED", True, Unauthorized, None),
        ("authentication_error.CUSTOMER_NOT_FOUND", True, Misconfigured, "customer_id"),
        ("authorization_error.USER_PERMISSION_DENIED", False, Unauthorized, None),
        ("authorization_error.CODE_77", False, Unauthorized, None),
        ("header_error.INVALID_LOGIN_CUSTOMER_ID", False, Misconfigured, "login_customer_id"),
        ("query_error.REQUESTED_METRICS_FOR_MANAGER", False, Misconfigured, "customer_id"),
        ("quota_error.RESOURCE_EXHAUSTED", True, RateLimited, 900.0),
        ("quota_error.RESOURCE_TEMPORARILY_EXHAUSTED", True, RateLimited, 30.0),
        ("quota_error.ACCESS_PROHIBITED", True, Unauthorized, None),
        ("internal_error.TRANSIENT_ERROR", False, Retryable, None),
        ("internal_error.TRANSIENT_ERROR", True, OutcomeUnknown, None),
        ("database_error.CONCURRENT_MODIFICATION", True, OutcomeUnknown, None),
        ("request_error.UNSUPPORTED_VERSION", False, Unsupported, None),
        ("query_error.UNRECOGNIZED_FIELD", False, Rejected, None),
        ("unknown_error.UNKNOWN", True, Rejected, None),
    ],
)
def test_googles_error_becomes_the_ports(
    code: str, is_write: bool, error: type[PortError], detail: str | float | None
) -> None:
    found = to_port_error([Fault(code, "words of Google")], "account 1", is_write=is_write)
    assert type(found) is error
    assert code.partition(".")[2] in found.cause or error is Unsupported
    assert getattr(found, "field", getattr(found, "retry_after_s", None)) == detail


def test_the_gravest_of_several_errors_decides() -> None:
    faults = [
        Fault("internal_error.TRANSIENT_ERROR", ""),
        Fault("quota_error.RESOURCE_EXHAUSTED", ""),
        Fault("authorization_error.PROJECT_DISABLED", ""),
    ]
    assert type(to_port_error(faults, "account 1", is_write=True)) is Unauthorized
    assert type(to_port_error(faults[:2], "account 1", is_write=True)) is RateLimited


def test_an_unreachable_token_server_is_retryable(free_port: int) -> None:
    host = f"127.0.0.1:{free_port}"
    config = {**GOOD, "endpoint": host, "token_uri": f"http://{host}/token"}
    adapter = build(config, SECRETS, Environment(allowed_private_hosts=frozenset({host})))
    with pytest.raises(Retryable):
        adapter.check()


def test_a_server_with_a_strange_certificate_is_not_trusted(tmp_path: Path) -> None:
    with GoogleAdsServer(directory=tmp_path) as server:
        config, secrets = server.connection()
        adapter = build(config, secrets, Environment(allowed_private_hosts=server.hosts, timeout_s=5))
        with pytest.raises(Retryable):
            adapter.check()
        adapter.close()
        assert server.calls == []
