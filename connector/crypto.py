"""Secrets at rest and signed links, from one ring of keys; the first key signs, all of them verify."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer


class SealBroken(Exception):
    """A sealed value cannot be opened with any key of the ring (keys lost, or the value was changed)."""


class LinkInvalid(Exception):
    """A signed link is forged or damaged."""


class LinkExpired(LinkInvalid):
    """A signed link was genuine and is too old."""


class Keyring:
    """Seals the secrets of connections and signs links. `keys` are Fernet keys, newest first."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("a key ring needs at least one key")
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        # Links are signed with keys derived for that purpose, so that a leaked signature never helps
        # to open a sealed secret.
        self._signing = [hashlib.sha256(b"dispo-links:" + key.encode()).hexdigest() for key in reversed(keys)]
        self._digesting = [hashlib.sha256(b"dispo-digests:" + key.encode()).digest() for key in keys]

    def seal(self, secrets: Mapping[str, str]) -> bytes:
        """The encrypted form of `secrets`."""
        return self._fernet.encrypt(json.dumps(dict(secrets)).encode())

    def unseal(self, sealed: bytes) -> dict[str, str]:
        """The secrets again; raises SealBroken."""
        try:
            opened: dict[str, str] = json.loads(self._fernet.decrypt(sealed))
        except InvalidToken as exc:
            raise SealBroken(
                "A stored secret cannot be opened. Restore the DISPO_SECRET_KEYS it was sealed with."
            ) from exc
        return opened

    def rotate(self, sealed: bytes) -> bytes:
        """The same secrets sealed with the newest key."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken as exc:
            raise SealBroken("A stored secret cannot be opened with any key.") from exc

    def sign(self, purpose: str, value: object) -> str:
        """A URL-safe token that says `value` (JSON) for `purpose` and nothing else."""
        return self._serializer(purpose).dumps(value)

    def verify(self, purpose: str, token: str, max_age_s: int | None = None) -> object:
        """The value of a token made by `sign` for the same purpose; raises LinkExpired or LinkInvalid."""
        try:
            value: object = self._serializer(purpose).loads(token, max_age=max_age_s)
        except SignatureExpired as exc:
            raise LinkExpired(f"This link is older than {max_age_s} seconds.") from exc
        except BadSignature as exc:
            raise LinkInvalid("This link is not genuine.") from exc
        return value

    def digests(self, purpose: str, text: str) -> list[str]:
        """What `text` is stored as where the text itself must not be: 64 hexadecimal digits a key.

        The same text always gives the same digests. Store the first (the newest key); look up with all
        of them, so that what was stored before a key was added is still found. A key taken off the
        ring makes its digests unfindable: keep it as long as they matter.
        """
        message = f"{purpose}\0{text}".encode()
        return [hmac.new(key, message, hashlib.sha256).hexdigest() for key in self._digesting]

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self._signing, salt=purpose, signer_kwargs={"digest_method": hashlib.sha256}
        )
