"""The composition root: settings → engine, key ring, Redis, adapters, clock; and who handles which topic."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from connector.accounts import installations, privacy
from connector.accounts.access import ExpiringTokens
from connector.accounts.connections import PAUSED_BY_PERSON, ConnectionRow, connection, pause
from connector.advertising import pausing
from connector.crypto import Keyring
from connector.db import make_engine, transaction
from connector.delivery import live_orders, push, scripts, webhooks
from connector.delivery.live import DEADLINE_S, MOST_ITEMS, LiveDesk
from connector.installs import leave
from connector.installs import privacy as legal
from connector.notices import digest
from connector.outbox.messages import Turn
from connector.outbox.work import Served, Topic, serve_turn
from connector.placement import work as placement
from connector.plans import Catalogue
from connector.ports.ads import Ads
from connector.ports.channels import ReportMailbox
from connector.ports.coupons import Coupons
from connector.ports.entitlements import Entitlements
from connector.ports.errors import Misconfigured, PortError
from connector.ports.installs import AccessTokens, App, KeyHandover
from connector.ports.live_check import LiveCheck
from connector.ports.notes import ProductNotes
from connector.ports.orders_care import OrderCare
from connector.ports.search import Search
from connector.ports.storefronts import StorefrontScripts
from connector.ports.stores import Store, StoreOrder, StoreWebhooks
from connector.ports.suppliers import Supplier
from connector.positions import topics
from connector.registry import Environment, Part, manifest
from connector.repricing import work as repricing
from connector.settings import AppKeys, Settings
from connector.shared import RedisValues
from connector.shoppers import attribution, channels, compensation, episodes, events, media, sending
from connector.shoppers.at_risk import carrying, choosing, writing

TOPICS: Mapping[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(topics.QUANTITY, push.push, 1000, 240),
        Topic(topics.BADGE, push.push, 500, 240),
        Topic(scripts.SCRIPT, scripts.work_script, 10, 240),
        Topic(topics.PLACES, placement.work_places, 200, 240),
        Topic(topics.PRICES, repricing.work_prices, 50, 240),
        Topic(webhooks.RECEIPTS, webhooks.work_receipts, 10, 120),
        Topic(live_orders.TOPIC, live_orders.work_orders, MOST_ITEMS, 120),
        Topic(topics.SHOPPERS, episodes.work_positions, 200, 120),
        Topic(media.EMAIL, sending.work_messages, 50, 240),
        Topic(media.SMS, channels.work_by_own_way, 50, 240),
        Topic(media.PUSH, channels.work_by_own_way, 50, 240),
        Topic(media.EVENT, events.work_events, 50, 240),
        Topic(compensation.CODES, compensation.work_codes, 50, 240),
        Topic(media.ORDER, writing.work_order_messages, 50, 240),
        Topic(choosing.CARE, carrying.work_care, 10, 240),
        Topic(digest.NOTICE, digest.work_notices, 20, 240),
        Topic(topics.ADS, pausing.work_positions, 500, 240),
        Topic(installations.ENDED, leave.work_ended, 10, 240),
        Topic(privacy.REQUESTS, legal.work_requests, 10, 240),
    )
}
"""Who works what: the outbox's topics and their handlers."""

ORDERS_DEADLINE_S = 8.0
"""So long a supplier has to answer about the items of new orders."""
LIVE_ADAPTERS = ("json_api", "odoo")
"""The suppliers' adapters with the part `live_check` (a test compares)."""


class Runtime:
    """One process of the running product. Cheap to build; connects on first use.

    `now` is injected in tests. Adapters are kept per connection and rebuilt when its settings change.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] | None = None) -> None:
        self.settings = settings
        self.keyring = Keyring(settings.secret_keys)
        self.clock: Callable[[], datetime] = clock or (lambda: datetime.now(UTC))
        self._adapters: dict[tuple[int, int], tuple[bytes, str, Any]] = {}
        self._live_parts: dict[tuple[int, int, float], tuple[bytes, str, Any]] = {}
        self._lock = threading.Lock()

    @cached_property
    def engine(self) -> sa.Engine:
        return make_engine(self.settings.database_url)

    @cached_property
    def redis(self) -> Redis:
        # Workers outlive a Redis that goes away for a while: measured, without these they quit.
        return Redis.from_url(
            self.settings.redis_url,
            retry=Retry(ExponentialWithJitterBackoff(base=0.2, cap=3), retries=30),
            retry_on_error=[RedisConnectionError, RedisTimeoutError],
            health_check_interval=15,
        )

    @property
    def data_dir(self) -> Path:
        return self.settings.data_dir

    @property
    def base_url(self) -> str:
        return self.settings.base_url

    @property
    def sends_mail(self) -> bool:
        """Whether the installation has a mail server of its own."""
        return bool(self.settings.smtp_host)

    @cached_property
    def environment(self) -> Environment:
        return Environment(
            allowed_private_hosts=self.settings.allowed_private_hosts,
            ca_file=self.settings.ca_file,
            max_feed_bytes=self.settings.max_feed_bytes,
            feed_directories=self.settings.feed_directories,
            shared=self._shared,
        )

    @cached_property
    def _shared(self) -> RedisValues:
        return RedisValues(self.settings.redis_url)

    @property
    def plans(self) -> Catalogue | None:
        """What the operator's plans allow; None: everything."""
        return self.settings.plans

    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        return self.clock()

    def store(self, merchant_id: int, connection_id: int) -> Store:
        """The adapter of a store connection; raises a PortError when it cannot be built."""
        adapter: Store = self._adapter(merchant_id, connection_id)
        return adapter

    def supplier(self, merchant_id: int, connection_id: int) -> Supplier:
        """The adapter of a supplier connection."""
        adapter: Supplier = self._adapter(merchant_id, connection_id)
        return adapter

    def ads(self, merchant_id: int, connection_id: int) -> Ads:
        """The adapter of an advertising connection."""
        adapter: Ads = self._adapter(merchant_id, connection_id)
        return adapter

    def channel(self, merchant_id: int, connection_id: int) -> Any:
        """The adapter of a channel connection, by its medium; 0 is the installation's own mail (DISPO_SMTP_*).

        Raises Misconfigured for one that its merchant paused or removed; one that was paused because it refused us is
        tried again from time to time."""
        if connection_id:
            with self.engine.connect() as db:
                row = connection(db, merchant_id, connection_id)
            if row.status == "ended" or (row.status == "paused" and row.status_reason == PAUSED_BY_PERSON):
                word = "removed" if row.status == "ended" else "paused"
                raise Misconfigured(
                    row.adapter, row.name, f"This way to reach people was {word} by you.", field="status"
                )
            adapter = self._kept(row)
        elif self.settings.smtp_host:
            adapter = self._own_mail
        else:
            raise Misconfigured(
                "email",
                "messages to shoppers",
                "No way to send them is set up.",
                "Set DISPO_SMTP_HOST, or connect a mail server of the merchant's own.",
                field="host",
            )
        return adapter

    def report_mailbox(self, merchant_id: int, connection_id: int) -> ReportMailbox | None:
        """The mailbox that a channel's bounces come back to; None where its settings name none."""
        with self.engine.connect() as db:
            row = connection(db, merchant_id, connection_id)
        factory = manifest("channels", row.adapter).report_mailbox
        found: ReportMailbox | None = (
            factory(row.config, self.secrets(row), self.environment) if factory else None
        )
        return found

    def search(self, merchant_id: int, connection_id: int) -> Search:
        """The adapter of a search connection."""
        adapter: Search = self._adapter(merchant_id, connection_id)
        return adapter

    def store_webhooks(self, adapter: str) -> StoreWebhooks:
        """The webhook verifier of a platform."""
        factory = manifest("stores", adapter).webhooks
        if factory is None:
            raise LookupError(f"{adapter} sends no webhooks")
        verifier: StoreWebhooks = factory()
        return verifier

    def scripts(self, merchant_id: int, connection_id: int) -> StorefrontScripts | None:
        """What puts our script into a store's pages; None where its platform takes none."""
        found: StorefrontScripts | None = self._part(merchant_id, connection_id, "scripts")
        return found

    def notes(self, merchant_id: int, connection_id: int) -> ProductNotes | None:
        """What writes a store's own fields about availability; None where its platform has none."""
        found: ProductNotes | None = self._part(merchant_id, connection_id, "notes")
        return found

    def coupons(self, merchant_id: int, connection_id: int) -> Coupons | None:
        """What makes discount codes in a store; None where its platform has none."""
        found: Coupons | None = self._part(merchant_id, connection_id, "coupons")
        return found

    def care(self, merchant_id: int, connection_id: int) -> OrderCare | None:
        """What refunds and changes the orders of a store; None where its platform lets no app."""
        found: OrderCare | None = self._part(merchant_id, connection_id, "care")
        return found

    def entitlements(self, merchant_id: int, connection_id: int) -> Entitlements | None:
        """What knows the plan of a shop that installed our app; None where its platform bills for no app, or
        where the operator has none there."""
        with self.engine.connect() as db:
            row = connection(db, merchant_id, connection_id)
        keys, factory = self.settings.apps.get(row.adapter), manifest("stores", row.adapter).entitlements
        if keys is None or factory is None:
            return None
        secrets = self.secrets(row)
        tokens = self._access_tokens(row, secrets)
        environment = replace(self.environment, access_tokens=tokens) if tokens else self.environment
        found: Entitlements = factory(row.config, secrets, environment, keys)
        return found

    def _part(self, merchant_id: int, connection_id: int, part: Part) -> Any:
        with self.engine.connect() as db:
            row = connection(db, merchant_id, connection_id)
        build = getattr(manifest("stores", row.adapter), part)
        return None if build is None else build(row.config, self.secrets(row), self.environment)

    def app(self, adapter: str) -> App:
        """Our app in a platform's app store; raises Misconfigured where the operator has none."""
        keys, factory = self.settings.apps.get(adapter), manifest("stores", adapter).app
        if keys is None or factory is None:
            raise Misconfigured(
                adapter,
                "the app",
                "This installation of Dispo has no app on this platform.",
                "Set the app's client ID and secret, as docs/operating.md says.",
                field="client_id",
            )
        app: App = factory(keys, self.environment)
        return app

    def handover(self, adapter: str) -> KeyHandover:
        """How shops of a platform hand us their keys; raises Misconfigured where they cannot."""
        factory = manifest("stores", adapter).handover
        if factory is None:
            raise Misconfigured(
                adapter,
                "the shop",
                "Shops of this platform hand out no keys by themselves.",
                "Install our app there, or connect the shop with keys made by hand.",
                field="adapter",
            )
        found: KeyHandover = factory(self.environment)
        return found

    def secrets(self, row: ConnectionRow) -> dict[str, str]:
        """The opened secrets of a connection."""
        return self.keyring.unseal(row.sealed) if row.sealed else {}

    def build(self, row: ConnectionRow) -> Any:
        """A new adapter for a connection row; raises Misconfigured."""
        secrets = self.secrets(row)
        tokens = self._access_tokens(row, secrets)
        environment = replace(self.environment, access_tokens=tokens) if tokens else self.environment
        if row.kind == "supplier":
            environment = replace(environment, stores=partial(self.store, row.merchant_id))
        return manifest(row.port, row.adapter).build(row.config, secrets, environment)

    def _access_tokens(self, row: ConnectionRow, secrets: Mapping[str, str]) -> AccessTokens | None:
        """What renews a connection's access; None where that does not expire."""
        found = manifest(row.port, row.adapter)
        if found.app is None or not secrets.get("refresh_token"):
            return None
        keys = self.settings.apps.get(row.adapter)
        client_id = str(row.config.get("client_id") or "")
        base_url = str(row.config.get("base_url") or "")
        if keys is None or (secrets.get("api_secret") and client_id != keys.client_id):
            # A shop that was connected by hand, with an app of the merchant's own.
            keys = AppKeys(client_id, secrets.get("api_secret", ""))
        app: App = found.app(replace(keys, base_url=base_url), self.environment)
        shop = str(row.config.get("shop") or "")
        return ExpiringTokens(
            self.engine,
            self.keyring,
            row.merchant_id,
            row.id,
            lambda refresh_token: app.renew(shop, refresh_token),
            self.now,
        )

    def _adapter(self, merchant_id: int, connection_id: int) -> Any:
        with self.engine.connect() as db:
            row = connection(db, merchant_id, connection_id)
        return self._kept(row)

    def _kept(self, row: ConnectionRow) -> Any:
        """The adapter of a connection, built once for its present settings."""
        fingerprint = (row.sealed, repr(sorted(row.config.items())))
        with self._lock:
            kept = self._adapters.get((row.merchant_id, row.id))
            if kept is not None and kept[:2] == fingerprint:
                return kept[2]
            if len(self._adapters) > 500:
                self._adapters.clear()
            built = self.build(row)
            self._adapters[(row.merchant_id, row.id)] = (*fingerprint, built)
            return built

    @cached_property
    def live(self) -> LiveDesk:
        """What asks suppliers while somebody waits at a till."""
        return self._desk(DEADLINE_S)

    @cached_property
    def live_orders(self) -> LiveDesk:
        """What asks suppliers after an order, when nobody waits."""
        return self._desk(ORDERS_DEADLINE_S)

    def _desk(self, deadline_s: float) -> LiveDesk:
        def part(merchant_id: int, connection_id: int) -> LiveCheck | None:
            return self._live_part(merchant_id, connection_id, deadline_s)

        return LiveDesk(self.engine, part, self._shared, LIVE_ADAPTERS, deadline_s=deadline_s)

    def _live_part(self, merchant_id: int, connection_id: int, timeout_s: float) -> LiveCheck | None:
        with self.engine.connect() as db:
            row = connection(db, merchant_id, connection_id)
        key, fingerprint = (
            (merchant_id, connection_id, timeout_s),
            (row.sealed, repr(sorted(row.config.items()))),
        )
        with self._lock:
            kept = self._live_parts.get(key)
            if kept is None or kept[:2] != fingerprint:
                if len(self._live_parts) > 500:
                    self._live_parts.clear()
                factory = manifest("suppliers", row.adapter).live_check
                # Nobody at a till waits as long as a reading may.
                hasty = replace(self.environment, timeout_s=timeout_s)
                built = factory(row.config, self.secrets(row), hasty) if factory else None
                kept = self._live_parts[key] = (*fingerprint, built)
        found: LiveCheck | None = kept[2]
        return found

    @cached_property
    def _own_mail(self) -> Any:
        s = self.settings
        config = {
            "host": s.smtp_host,
            "port": s.smtp_port,
            "username": s.smtp_username,
            "security": s.smtp_security,
            "from_address": s.smtp_from,
        }
        return manifest("channels", "email").build(config, {"password": s.smtp_password}, self.environment)

    def tell_orders(self, merchant_id: int, connection_id: int, orders: Sequence[StoreOrder]) -> None:
        """Recorded orders, told to the shoppers' room: which of them came of an invitation."""
        attribution.take_orders(self.engine, self.keyring, merchant_id, connection_id, orders)

    def serve(self, turn: Turn) -> Served | None:
        """Serve one turn of the outbox; a refused connection is paused and says why."""
        return serve_turn(self, turn, TOPICS, self._refused)

    def _refused(self, merchant_id: int, connection_id: int, error: PortError) -> None:
        with transaction(self.engine) as db:
            pause(db, merchant_id, connection_id, str(error))
