"""Who is written to, and the names under which their wishes are kept."""

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from contexts.notification.domain.kinds import DEFAULT_LOCALE, Channel


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """One person. ``consent`` is a marketing consent given elsewhere, such as beside the cart."""

    name: str = ""
    email: str = ""
    phone: str = ""
    customer_id: UUID | None = None
    locale: str = DEFAULT_LOCALE
    consent: bool = False

    @property
    def key(self) -> str:
        """What makes this person one recipient: the account, or for a guest the hashed address."""
        return self.keys[0]

    @property
    def keys(self) -> list[str]:
        """Every name under which this person's wishes may be stored: the account first, then the address."""
        keys = [customer_key(self.customer_id)] if self.customer_id else []
        if self.email or not keys:
            keys.append(email_key(self.email))
        return keys

    def address(self, channel: Channel) -> str:
        """Return where ``channel`` reaches this person; empty if it cannot. Push is addressed to the account."""
        if channel is Channel.EMAIL:
            return self.email
        if channel is Channel.SMS:
            return self.phone
        return str(self.customer_id or "")


def customer_key(customer_id: UUID) -> str:
    return f"customer:{customer_id}"


def email_key(email: str) -> str:
    """Return the key of an address without revealing it. Not keyed by a secret, so that a refusal outlives one."""
    return f"email:{sha256(email.strip().lower().encode()).hexdigest()[:32]}"


def masked(address: str) -> str:
    """Return an address as staff lists show it: ``m•••@example.com``, ``•••1234``."""
    name, at, host = address.partition("@")
    if at:
        return f"{name[:1]}•••@{host}"
    return f"•••{address[-4:]}" if address else ""
