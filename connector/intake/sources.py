"""Suppliers are connected here: the connection, its one source and the times it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import sqlalchemy as sa

from connector.accounts import schedule
from connector.accounts.connections import add_connection
from connector.crypto import Keyring
from connector.db import transaction
from connector.intake.mapping import Mapping as ColumnMapping
from connector.ports.learning import Learns
from connector.ports.stores import Store
from connector.ports.suppliers import Proposes
from connector.positions.locations import keep_apart
from connector.registry import Environment, manifest

BY_HAND = {"by_hand": "yes"}
"""The settings of a supplier whose files a person hands over."""
COMES_BY_ITSELF = ("upload", "push")
"""Places of files at which there is nothing to ask."""
UPLOAD_EVERY_S = 86_400
"""How often files that were handed over are looked for besides the moment they come."""
_FILE = "file_feed"
_READ_OPTIONS = ("format", "encoding", "delimiter", "header_line", "records_path", "variants_path")


class Installation(Protocol):
    """What connecting needs; `connector.bootstrap.Runtime` has it."""

    @property
    def engine(self) -> sa.Engine: ...

    @property
    def keyring(self) -> Keyring: ...

    @property
    def environment(self) -> Environment: ...

    def store(self, merchant_id: int, connection_id: int) -> Store: ...

    def now(self) -> datetime: ...


def connect_file(
    rt: Installation,
    merchant_id: int,
    name: str,
    config: Mapping[str, str],
    secrets: Mapping[str, str],
    every_s: int,
    rules: Mapping[str, Any],
) -> int:
    """As `connect`, for a supplier of files. One with the settings BY_HAND has no address: its files come by
    `uploads`."""
    return connect(rt, merchant_id, _FILE, name, config, secrets, every_s, rules)


def connect(
    rt: Installation,
    merchant_id: int,
    adapter: str,
    name: str,
    config: Mapping[str, str],
    secrets: Mapping[str, str],
    every_s: int,
    rules: Mapping[str, Any],
) -> int:
    """Check that the source can be reached, store connection and source, begin its schedule; returns the
    source's id. Raises the PortError of the check before anything is stored.

    `adapter` is the registry's name of a supplier. `rules` are `lead_time_days`, `max_age_hours` (None: not
    said), `handover_hours`, `missing_policy` and, for the merchant's own stock, `kind` "own". A location of one of
    their stores is their own stock, and feeds none of that store's locations where the store sells it by itself.
    """
    kept = {key: value for key, value in secrets.items() if value}
    environment = replace(rt.environment, stores=partial(rt.store, merchant_id))
    supplier = manifest("suppliers", adapter).build(config, kept, environment)
    supplier.check()
    # What the check learnt of the server is what every later run expects of it.
    config = {**config, **(supplier.learnt() if isinstance(supplier, Learns) else {})}
    proposal = supplier.proposal() if isinstance(supplier, Proposes) else None
    mapping = ColumnMapping(columns=proposal.columns, words=proposal.words).to_json() if proposal else {}
    with transaction(rt.engine) as db:
        connection_id = add_connection(
            db,
            rt.keyring,
            merchant_id,
            kind="supplier",
            adapter=adapter,
            name=name,
            config=dict(config),
            secrets=kept,
            now=rt.now(),
        )
        source_id = db.execute(
            sa.text("""
                insert into source (merchant_id, connection_id, name, every_s, lead_time_days, handover_hours,
                                    max_age_hours, missing_policy, kind, read_options, mapping)
                values (:m, :c, :name, :every, :lead_time_days, :handover_hours, :max_age_hours,
                        :missing_policy, :kind, cast(:options as jsonb), cast(:mapping as jsonb))
                returning id
            """),
            {
                "m": merchant_id,
                "c": connection_id,
                "name": name,
                "every": every_s,
                "options": json.dumps({key: config[key] for key in _READ_OPTIONS if config.get(key)}),
                "kind": "supplier",
                "mapping": json.dumps(mapping),
                **rules,
                # What is in the merchant's own store is theirs.
                **({"kind": "own"} if config.get("reads_store") else {}),
            },
        ).scalar_one()
        if config.get("reads_store"):
            keep_apart(db, merchant_id, int(source_id), config)
        if config.get("by_hand") or config.get("place") in COMES_BY_ITSELF:
            schedule.ensure(db, merchant_id, "supplier.upload", int(source_id), UPLOAD_EVERY_S)
        else:
            schedule.ensure(db, merchant_id, "supplier.sync", int(source_id), every_s)
    return int(source_id)
