"""The RSA keys of the access tokens: made once for development, published as JWKS, known by their thumbprint.

Imported by the settings, so it must not import anything that needs settings.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from ecommerce.once import write_once

PEM_END = "-----END PUBLIC KEY-----"


class VerifyingKeys:
    """Public keys by ``kid``, parsed once. Compared by identity, so that it can be part of a cache key."""

    def __init__(self, pems: dict[str, str]) -> None:
        self._keys = {kid: _public(pem) for kid, pem in pems.items()}

    def __getitem__(self, kid: str) -> rsa.RSAPublicKey:
        return self._keys[kid]


def load_or_create(path: Path) -> str:
    """Return the private key (PEM) in ``path``, made there on first use, readable by its owner only.

    For development and single machines. Two processes that start at once end up with the same key.
    """
    write_once(path, _new_private_key)
    return path.read_text()


def public_keys(private_pem: str, other_public_pems: str = "") -> dict[str, str]:
    """Return ``kid`` → public key (PEM) of a private key and of any further public keys, one PEM after the other.

    The further keys are those of another process that signs, or of the time before or after a rotation. Either
    argument may be empty.
    """
    pems = [part.strip() + f"\n{PEM_END}\n" for part in other_public_pems.split(PEM_END) if part.strip()]
    if private_pem:
        pems.insert(0, public_pem(private_pem))
    return {thumbprint(pem): pem for pem in pems}


def public_pem(private_pem: str) -> str:
    """Return the public half of a private key, both PEM."""
    private_key = serialization.load_pem_private_key(private_pem.encode(), password=None)
    return (
        private_key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def thumbprint(pem: str) -> str:
    """Return the JWK thumbprint (RFC 7638) of a public key: the ``kid`` that django-allauth writes into tokens."""
    jwk = _jwk(pem)
    members = json.dumps({name: jwk[name] for name in ("e", "kty", "n")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).rstrip(b"=").decode()


def jwks(pems: Iterable[str]) -> dict[str, Any]:
    """Return the JSON Web Key Set (RFC 7517) that gateways and other services verify tokens with."""
    return {"keys": [{**_jwk(pem), "kid": thumbprint(pem), "use": "sig", "alg": "RS256"} for pem in pems]}


def _jwk(pem: str) -> dict[str, str]:
    jwk = RSAAlgorithm.to_jwk(_public(pem), as_dict=True)
    return {name: jwk[name] for name in ("e", "kty", "n")}


def _public(pem: str) -> rsa.RSAPublicKey:
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("JWT keys must be RSA keys")
    return key


def _new_private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(*pem).decode()
