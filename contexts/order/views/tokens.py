"""Tokens that open one thing to whoever has them: signed, derived from its id, stored nowhere."""

from uuid import UUID

from django.core.signing import BadSignature, Signer

signer = Signer(salt="order.access")
code_signer = Signer(salt="order.payment_code")


def access_token(order_id: UUID) -> str:
    """Return the token with which a guest sees an order. It does not expire: it opens it for reading and cancelling."""
    return signer.signature(str(order_id))


def is_access_token(token: str, order_id: UUID) -> bool:
    """Tell whether ``token`` opens this order; compared in constant time."""
    return _is_signed(signer, token, order_id)


def code_token(payment_id: UUID) -> str:
    """Return the token with which an ``<img>`` or a link in a mail, which send no headers, shows a payment's code.

    It shows what to pay by as long as it is to be paid, and opens nothing else.
    """
    return code_signer.signature(str(payment_id))


def is_code_token(token: str, payment_id: UUID) -> bool:
    """Tell whether ``token`` shows the code of this payment; compared in constant time."""
    return _is_signed(code_signer, token, payment_id)


def _is_signed(by: Signer, token: str, id_: UUID) -> bool:
    try:
        by.unsign(f"{id_}{by.sep}{token}")
    except BadSignature:
        return False
    return True
