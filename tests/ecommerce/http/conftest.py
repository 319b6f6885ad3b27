"""Tokens for the tests of the HTTP edge. None of them needs a database unless it says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import jwt
import pytest
from django.conf import settings

from ecommerce.http import keys

CUSTOMER = UUID("01900000-0000-7000-8000-000000000001")


@pytest.fixture
def token() -> Callable[..., str]:
    """Make access tokens as identity does: ``token(scope="catalog.change_product")``."""

    def make(*, key: str = settings.JWT_PRIVATE_KEY, kid: str = "", **claims: Any) -> str:
        kid = kid or keys.thumbprint(keys.public_pem(key))
        now = int(time.time())
        payload = {"sub": str(CUSTOMER), "iat": now, "exp": now + 300, "token_use": "access", **claims}
        return jwt.encode(payload, key, algorithm="RS256", headers={"kid": kid})

    return make
