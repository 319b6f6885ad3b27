"""Who may use a cart."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from contexts.cart.domain.state import CartState


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whoever asks: a logged-in customer, a guest with a cart token, or both at once."""

    customer_id: UUID | None = None
    token: str = ""

    @property
    def actor(self) -> str:
        return f"customer:{self.customer_id}" if self.customer_id else "guest"

    def may_use(self, state: CartState) -> bool:
        """Tell whether the cart is this customer's, or the token one of the cart's.

        A token never opens another customer's cart to a customer. Tokens are compared by digest, in constant time.
        """
        digest = digest_of(self.token)
        by_token = hmac.compare_digest(digest, state.token_hash) | hmac.compare_digest(
            digest, state.recovery_token_hash
        )
        if self.customer_id is None or state.customer_id is None:
            return by_token
        return self.customer_id == state.customer_id


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a secret or an identifier, in hex."""
    return sha256(secret.encode()).hexdigest()
