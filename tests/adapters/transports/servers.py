"""Real servers of files on loopback, of libraries other than those of the product, that can be made to fail."""

from __future__ import annotations

import asyncio
import imaplib
import os
import ssl
import threading
from argparse import Namespace
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncssh
import trustme
from proxyprotocol.sock import SocketInfoLocal
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer
from pymap.user import Passwords, UserMetadata
from pysasl.hashing import BuiltinHash

USER, PASSWORD = "shop", "right"


class LoopThread:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def stop(self) -> None:
        async def cancel() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.run(cancel())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


class SftpTwin:
    """asyncssh as a server, confined to `root`. `faults` and `reads` are read and counted live."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.password = PASSWORD
        self.authorized: list[str] = []
        self.reads = 0
        self.break_after: int | None = None
        self.fails = False
        self.on_read: Callable[[int], None] = lambda _offset: None
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._thread = LoopThread()
        self._server: Any = None
        self.port = 0
        self.start()

    def start(self) -> None:
        twin = self

        class Auth(asyncssh.SSHServer):
            def connection_made(self, conn: Any) -> None:
                self.conn = conn
                if twin.fails:
                    conn.abort()

            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == (USER, twin.password)

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: Any) -> bool:
                return username == USER and key.export_public_key().decode().split()[1] in twin.authorized

        class Files(asyncssh.SFTPServer):
            def __init__(self, channel: Any) -> None:
                super().__init__(channel, chroot=os.fsencode(twin.root))

            def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
                if path.endswith(b"secret.csv"):
                    raise asyncssh.SFTPPermissionDenied("no")
                twin.reads += 1
                return super().open(path, pflags, attrs)

            def read(self, file_obj: Any, offset: int, size: int) -> bytes:
                twin.on_read(offset)
                if twin.break_after is not None and offset + size > twin.break_after:
                    if offset < twin.break_after:
                        return super().read(file_obj, offset, twin.break_after - offset)
                    self.channel.get_connection().abort()
                return super().read(file_obj, offset, size)

        async def listen() -> Any:
            return await asyncssh.create_server(
                Auth, "127.0.0.1", self.port, server_host_keys=[self.host_key], sftp_factory=Files
            )

        self._server = self._thread.run(listen())
        self.port = self._server.get_port()

    def restart_with_key(self, host_key: Any) -> None:
        """The same place with another host key."""
        self._close()
        self.host_key = host_key
        self.start()

    def _close(self) -> None:
        async def close() -> None:
            self._server.close()
            await self._server.wait_closed()

        self._thread.run(close())

    def stop(self) -> None:
        self._close()
        self._thread.stop()


class FtpTwin:
    """pyftpdlib as a server. `authority` None: without TLS; `is_implicit`: TLS from the first byte."""

    def __init__(
        self,
        root: Path,
        authority: trustme.CA | None = None,
        *,
        is_implicit: bool = False,
        name: str = "localhost",
    ) -> None:
        self.reads = 0
        self.break_after: int | None = None
        self.fails = False
        self.commands: list[str] = []
        twin = self
        self.authorizer = DummyAuthorizer()
        self.authorizer.add_user(USER, PASSWORD, str(root), perm="elr")
        base = FTPHandler if authority is None else TLS_FTPHandler
        data = DTPHandler if authority is None else TLS_DTPHandler

        class Data(data):  # type: ignore[misc, valid-type]
            def send(self, piece: bytes) -> int:
                sent = super().send(piece)
                if twin.break_after is not None and self.tot_bytes_sent + sent >= twin.break_after:
                    self.cmd_channel.close()
                    self.close()
                return int(sent)

        class Handler(base):  # type: ignore[misc, valid-type]
            dtp_handler = Data
            authorizer = self.authorizer
            auth_failed_timeout = 0
            use_sendfile = False

            def on_connect(self) -> None:
                if twin.fails:
                    self.close()

            def ftp_RETR(self, file: str) -> Any:
                twin.reads += 1
                return super().ftp_RETR(file)

            def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
                twin.commands.append(cmd)
                super().pre_process_command(line, cmd, arg)

        self.handler = Handler
        if authority is not None:
            self._certificate(Handler, authority, name, root)
            Handler.tls_control_required = Handler.tls_data_required = True
        if is_implicit:
            plain = Handler.handle

            def handle(handler: Any) -> None:
                handler.secure_connection(handler.get_ssl_context())
                plain(handler)

            Handler.handle = handle  # type: ignore[method-assign]
        self._loop = IOLoop()
        self.server = FTPServer(("127.0.0.1", 0), Handler, ioloop=self._loop)
        self.port = self.server.address[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _certificate(self, handler: Any, authority: trustme.CA, name: str, root: Path) -> None:
        path = root.parent / f"{name}.pem"
        issued = authority.issue_cert(name)
        path.write_bytes(
            issued.private_key_pem.bytes() + b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        )
        handler.certfile = str(path)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._loop.loop(timeout=0.02, blocking=False)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        self.server.close_all()


class ImapTwin:
    """pymap as a server, with TLS from the first byte or by STARTTLS; `deliver` puts messages into a folder
    over the protocol itself."""

    def __init__(self, authority: trustme.CA, *, is_implicit: bool = True) -> None:
        self.password = PASSWORD
        self.fails = False
        self.break_after: int | None = None
        self.reads = 0
        self._thread = LoopThread()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self.context)
        self.authority = authority
        self._is_implicit = is_implicit
        self.port = self._thread.run(self._start())

    async def _start(self) -> int:
        args = Namespace(
            demo_data=False, demo_user=USER, demo_password=PASSWORD, debug=False, host="127.0.0.1", port=0,
            cert=None, key=None, tls=True, proxy_protocol=None, inherited_sockets=None, passlib_cfg=None,
        )  # fmt: skip
        backend, config = await DictBackend.init(
            args, ssl_context=self.context, hash_context=BuiltinHash(rounds=1), invalid_user_sleep=0
        )
        config.apply_context()
        self._server_of = IMAPServer(backend.login, config)
        self.backend, self.config = backend, config

        async def connected(reader: Any, writer: Any) -> None:
            if self.fails:
                writer.transport.abort()
                return
            plain_write = writer.write

            def write(piece: bytes) -> None:
                if b"BODY[]" in bytes(piece):
                    self.reads += 1
                    if self.break_after is not None:
                        plain_write(bytes(piece)[: self.break_after])
                        writer.transport.abort()
                        return
                plain_write(piece)

            writer.write = write
            await self._server_of(reader, writer, SocketInfoLocal(writer.transport))

        self._server = await asyncio.start_server(
            connected, "127.0.0.1", 0, ssl=self.context if self._is_implicit else None
        )
        return int(self._server.sockets[0].getsockname()[1])

    def client(self) -> imaplib.IMAP4:
        """A session of the standard library's client, signed in."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if self._is_implicit:
            client: imaplib.IMAP4 = imaplib.IMAP4_SSL("localhost", self.port, ssl_context=context, timeout=10)
        else:
            client = imaplib.IMAP4("localhost", self.port, timeout=10)
            client.starttls(context)
        client.login(USER, PASSWORD)
        return client

    def deliver(self, message: bytes, folder: str = "INBOX") -> None:
        """Put a message into a folder, which is made where it is missing."""
        client = self.client()
        if folder != "INBOX":
            client.create(folder)
        answer, _ = client.append(folder, "", "", message)
        assert answer == "OK"
        client.logout()

    def empty(self) -> None:
        """Take all messages out of the inbox."""
        client = self.client()
        client.select("INBOX")
        client.store("1:*", "+FLAGS", r"(\Deleted)")
        client.expunge()
        client.logout()

    def set_password(self, password: str) -> None:
        """The user's password from now on."""

        async def change() -> None:
            self.config.apply_context()
            hashed = await Passwords(self.config).hash_password(password)
            user = UserMetadata(self.config, USER, password=hashed)
            self.backend.login.users_dict[USER] = user

        self._thread.run(change())

    def stop(self) -> None:
        async def close() -> None:
            self._server.close()

        self._thread.run(close())
        self._thread.stop()
