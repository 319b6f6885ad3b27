"""The token with which a guest sees an order: signed, derived from the order's id, stored nowhere."""

from uuid import UUID

from django.core.signing import BadSignature, Signer

signer = Signer(salt="order.access")


def access_token(order_id: UUID) -> str:
    """Return the token of an order. It does not expire: it opens one order, for reading and cancelling."""
    return signer.signature(str(order_id))


def is_access_token(token: str, order_id: UUID) -> bool:
    """Tell whether ``token`` opens this order; compared in constant time."""
    try:
        signer.unsign(f"{order_id}{signer.sep}{token}")
    except BadSignature:
        return False
    return True
