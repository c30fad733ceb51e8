"""Serves a WSGI app on loopback in a thread, and can cut a connection as a broken network would."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server


class _QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        logging.getLogger("simulator").debug(message, *args)

    def make_environ(self) -> dict[str, Any]:
        environ = super().make_environ()
        environ["simulator.socket"] = self.connection
        return environ


class ServerThread:
    """`app` on 127.0.0.1:`port` (0 picks a free one), started by `start` and ended by `stop`."""

    def __init__(self, app: Any, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", port, app, threaded=True, request_handler=_QuietHandler, ssl_context=tls
        )
        self.port: int = self._server.server_port
        self.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{self.port}"
        # `stop` waits for the next poll: half a second by default, in every test.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def start(self) -> ServerThread:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> ServerThread:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()


def cut_connection(environ: dict[str, Any]) -> None:
    """Close the client's connection without an answer."""
    connection: socket.socket = environ["simulator.socket"]
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
