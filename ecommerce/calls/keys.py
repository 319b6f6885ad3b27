"""The Ed25519 keys by which services know each other: files that are read again when they change.

A directory holds ``private.pem``, the key that this service signs with, and ``<issuer>.pub.pem`` for every service
that may call it: one public key or several, PEM after PEM. It may be a mounted secret. Nobody else's key counts for an
issuer, so one service cannot sign as another.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ecommerce.once import write_once

PRIVATE = "private.pem"
PUBLIC = ".pub.pem"
PEM_END = "-----END PUBLIC KEY-----"
LOOK_EVERY = 1.0
"""Seconds for which the files are taken to be as they were; a key that is not known is looked for at once."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SigningKey:
    kid: str
    key: Ed25519PrivateKey


@dataclass(frozen=True)
class _Read:
    """The files as they were read, and what they looked like then."""

    looks: tuple[tuple[str, int, int, int], ...] = ()
    signing: SigningKey | None = None
    verifying: Mapping[str, Mapping[str, Ed25519PublicKey]] = field(default_factory=dict)


class ServiceKeys:
    """The keys in one directory. Safe for threads: what was read is replaced as a whole."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._looked_at = 0.0
        self._read = _read(directory)

    def signing(self, *, anew: bool = False) -> SigningKey:
        """Return the key to sign with; ``anew`` looks at the file even if that was done just now.

        Raises:
            ImproperlyConfigured: there is none.
        """
        signing = self._current(anew=anew).signing
        if signing is None:
            raise ImproperlyConfigured(f"{self._directory / PRIVATE} is missing: this service calls others")
        return signing

    def verifying(self, issuer: str, kid: str) -> Ed25519PublicKey | None:
        """Return the public key ``kid`` of ``issuer``, None if that one has no such key."""
        known = self._current().verifying.get(issuer, {}).get(kid)
        return known or self._current(anew=True).verifying.get(issuer, {}).get(kid)

    def _current(self, *, anew: bool = False) -> _Read:
        now = time.monotonic()
        if anew or now - self._looked_at >= LOOK_EVERY:
            self._looked_at = now
            try:
                if _looks(self._directory) != self._read.looks:
                    self._read = _read(self._directory)
                    log.info("service_keys_read", issuers=sorted(self._read.verifying))
            except (OSError, ValueError) as error:
                # Caught while they are being replaced, or broken: the keys that were read go on to count.
                log.warning("service_keys_unreadable", directory=str(self._directory), reason=repr(error))
        return self._read


def configured() -> ServiceKeys:
    """Return the keys of this process.

    Raises:
        ImproperlyConfigured: there are none, or they cannot be read.
    """
    if not settings.SERVICE_KEYS_DIR:
        raise ImproperlyConfigured("SERVICE_KEYS_DIR is not set: services sign their calls to each other")
    return _keys(settings.SERVICE_KEYS_DIR)


@lru_cache(maxsize=64)
def _keys(directory: str) -> ServiceKeys:
    try:
        return ServiceKeys(Path(directory))
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"SERVICE_KEYS_DIR: {error}") from error


def create(directory: Path, services: Iterable[str]) -> list[Path]:
    """Give every service a directory ``directory/<service>`` with a private key of its own and the public keys of all;
    return the files that are new. What is there already stays, also what another process makes at the same moment."""
    services, made = list(services), []
    for service in services:
        private = directory / service / PRIVATE
        if write_once(private, new_private_pem):
            made.append(private)
    for service in services:
        public = partial(public_pem, (directory / service / PRIVATE).read_text())
        for reader in services:
            file = directory / reader / f"{service}{PUBLIC}"
            if write_once(file, public, mode=0o644):
                made.append(file)
    return made


def new_private_pem() -> str:
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )  # fmt: skip


def public_pem(private: str) -> str:
    """Return the public half of a private key, both PEM."""
    pem = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return _private(private).public_key().public_bytes(*pem).decode()


def thumbprint(key: Ed25519PublicKey) -> str:
    """Return the JWK thumbprint (RFC 7638, RFC 8037) of a public key: its ``kid``."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": _base64(raw)}, separators=(",", ":"))
    return _base64(hashlib.sha256(members.encode()).digest())


def _read(directory: Path) -> _Read:
    looks = _looks(directory)
    private = directory / PRIVATE
    signing = None
    if private.exists():
        key = _private(private.read_text())
        signing = SigningKey(thumbprint(key.public_key()), key)
    verifying = {
        name.removesuffix(PUBLIC): {thumbprint(key): key for key in _publics((directory / name).read_text())}
        for name, *_ in looks
        if name.endswith(PUBLIC)
    }
    return _Read(looks, signing, verifying)


def _looks(directory: Path) -> tuple[tuple[str, int, int, int], ...]:
    with os.scandir(directory) as entries:
        stats = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith(".pem")]
    return tuple(sorted((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats))


def _private(pem: str) -> Ed25519PrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("services sign with Ed25519 keys")
    return key


def _publics(pems: str) -> list[Ed25519PublicKey]:
    parts = [f"{part.strip()}\n{PEM_END}\n".encode() for part in pems.split(PEM_END) if part.strip()]
    keys = [serialization.load_pem_public_key(part) for part in parts]
    found = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if len(found) < len(keys):
        raise ValueError("services verify with Ed25519 keys")
    return found


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
