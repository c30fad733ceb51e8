"""Where everything of the demonstration listens, kept between starts so that addresses stay the same."""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

NAMES = ("woocommerce", "shopify", "supplier", "smtp", "mailbox", "ads", "ads_web", "storefront")


@dataclass(frozen=True)
class DemoPlan:
    """Ports by name, the hosts Dispo must be allowed to call, and the environment its processes need."""

    directory: Path
    ports: dict[str, int]
    base_url: str
    days_per_minute: float

    @property
    def hosts(self) -> frozenset[str]:
        """What the operator of this installation allows although it is private: our loopback servers."""
        return frozenset(
            f"{host}:{port}" for port in self.ports.values() for host in ("127.0.0.1", "localhost")
        )

    @property
    def environment(self) -> dict[str, str]:
        """What Dispo's processes need on top of their own settings."""
        return {
            "DISPO_SMTP_HOST": "127.0.0.1",
            "DISPO_SMTP_PORT": str(self.ports["smtp"]),
            "DISPO_SMTP_SECURITY": "none",
            "DISPO_SMTP_FROM": "stock@vase-and-co.example",
            # gRPC reads its roots from here and nowhere else; the simulated Google has its own authority.
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self.directory / "google-ads-ca.pem"),
        }

    @property
    def argv(self) -> list[str]:
        """The command that runs the demonstration's servers and shoppers."""
        return [sys.executable, "-m", "simulator.demo", str(self.directory / "plan.json")]

    def links(self) -> dict[str, str]:
        """What a visitor wants to open."""
        local = "http://127.0.0.1"
        return {
            "storefront": f"{local}:{self.ports['storefront']}/",
            "mailbox": f"{local}:{self.ports['mailbox']}/",
            "ads": f"{local}:{self.ports['ads_web']}/",
        }


def prepare(data_dir: Path, base_url: str, days_per_minute: float) -> DemoPlan:
    """The plan for this data directory: the one made before where its ports are still free."""
    directory = data_dir / "demo"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "plan.json"
    ports: dict[str, int] = json.loads(path.read_text())["ports"] if path.exists() else {}
    taken: list[socket.socket] = []
    for name in NAMES:
        if name in ports and (held := _hold(ports[name])):
            taken.append(held)
        else:
            held = _hold(0) or socket.create_server(("127.0.0.1", 0))
            ports[name] = held.getsockname()[1]
            taken.append(held)
    for held in taken:
        held.close()
    plan = DemoPlan(directory, ports, base_url, days_per_minute)
    path.write_text(json.dumps({**asdict(plan), "directory": str(directory)}, indent=1))
    (data_dir / "demo.json").write_text(json.dumps(plan.links(), indent=1))
    return plan


def load(path: Path) -> DemoPlan:
    """The plan that `prepare` wrote."""
    stored = json.loads(path.read_text())
    return DemoPlan(**{**stored, "directory": Path(stored["directory"])})


def _hold(port: int) -> socket.socket | None:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return None
