"""`mail_rate`: alerts a second through the whole path against bare SMTP to the same server.

The path: claim, look once more (person, stock, hours, limits), "sending" committed, written from templates, handed
over, settled, each person by itself; on a durable PostgreSQL. The reference hands the very same bytes to the same
server over one kept connection and does nothing else. The server runs in a process of its own and drops what it
takes. Prints one JSON line; rounds take turns and the best of each counts.
"""

from __future__ import annotations

import json
import multiprocessing
import smtplib
import socket
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import sqlalchemy as sa
from aiosmtpd.controller import Controller

from benchmarks.bench import installation
from connector.bootstrap import Runtime
from connector.db import transaction
from connector.outbox.messages import Turn, enqueue
from connector.outbox.work import Topic, serve_turn
from connector.shoppers import media, sending
from connector.shoppers.messages import write_message

MESSAGES, ROUNDS = 400, 3
AIM = 0.7


class _Drop:
    """Takes everything; keeps the newest content."""

    newest = b""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        _Drop.newest = envelope.original_content
        return "250 OK"


def _serve(port: int, pipe: Connection) -> None:
    controller = Controller(_Drop(), hostname="127.0.0.1", port=port)
    controller.start()
    pipe.send("ready")
    while pipe.recv() == "newest":
        pipe.send(_Drop.newest)
    controller.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _seed(rt: Runtime) -> None:
    statements = (
        """insert into connection (merchant_id, kind, adapter, name, public_key, created_at)
           values (1, 'store', 'woocommerce', 'Shop', 'pk', now())""",
        "insert into variant (merchant_id, sku, sku_key, title) values (1, 'mug', 'mug', 'Blue mug')",
        """insert into listing (merchant_id, connection_id, variant_id, external_id, product_id, stock_id, title,
                                url, image_url, price_minor, is_managed, confirmed_available, seen_at)
           values (1, 1, 1, '1', '1', '1', 'Blue mug', 'https://shop.example/mug',
                   'https://shop.example/mug.png', 1999, true, 9999, now())""",
        """insert into position (merchant_id, variant_id, available, state, decided_at, why)
           values (1, 1, 9999, 'in_stock', now(), '{}')""",
        """insert into episode (merchant_id, variant_id, opened_at, units_at_open) values (1, 1, now(), 9999)""",
    )
    with transaction(rt.engine) as db:
        for statement in statements:
            db.execute(sa.text(statement))


def _queue(rt: Runtime, number: int) -> None:
    """`MESSAGES` more people are invited and wait for their message."""
    with transaction(rt.engine) as db:
        ids = db.scalars(
            sa.text("""
                insert into subscription (merchant_id, variant_id, connection_id, address, address_key, status,
                                          created_at, confirmed_at)
                select 1, 1, 1, 'p' || n || '.' || :r || '@example.com', 'p' || n || '.' || :r || '@example.com',
                       'invited', now(), now()
                  from generate_series(1, :n) n returning id
            """),
            {"n": MESSAGES, "r": number},
        ).all()
        enqueue(db, 1, [write_message(rt, db, 1, id, "back_in_stock") for id in ids])
    with rt.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as db:
        # A database that has been up for a minute knows its tables.
        db.execute(sa.text("analyze subscription, message, listing, outbox_message"))


def _through_the_path(rt: Runtime) -> float:
    topics = {media.EMAIL: Topic(media.EMAIL, sending.work_messages, 50, 240)}
    began = time.perf_counter()
    while (served := serve_turn(rt, Turn(1, media.EMAIL, 0), topics)) is not None and served.has_more:
        pass
    return time.perf_counter() - began


def _bare(port: int, content: bytes) -> float:
    began = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port) as client:
        for n in range(MESSAGES):
            client.sendmail("bounces@example.com", [f"p{n}@example.com"], content)
    return time.perf_counter() - began


def main() -> None:
    port = _free_port()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(port, theirs), daemon=True)
    server.start()
    ours.recv()
    with installation() as plain:
        mail = {
            "smtp_host": "127.0.0.1",
            "smtp_port": port,
            "smtp_security": "none",
            "smtp_from": "a@example.com",
        }
        rt = Runtime(replace(plain.settings, **mail))  # type: ignore[arg-type]
        _seed(rt)
        path: list[float] = []
        bare: list[float] = []
        for number in range(ROUNDS):
            _queue(rt, number)
            path.append(_through_the_path(rt))
            ours.send("newest")
            bare.append(_bare(port, ours.recv()))
        with rt.engine.connect() as db:
            sent = db.scalar(sa.text("select count(*) from message where status = 'sent'"))
        rt.engine.dispose()
    ours.send("stop")
    server.join(5)
    rate, reference = MESSAGES / min(path), MESSAGES / min(bare)
    line = {
        "name": "mail_rate",
        "value": round(rate, 1),
        "unit": "messages a second",
        "reference": round(reference, 1),
        "ratio": round(rate / reference, 3),
        "aim": AIM,
        "ok": rate / reference >= AIM and sent == MESSAGES * ROUNDS,
        "sent": sent,
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
