"""The keys of services are exchanged as ``docs/runbooks/rotate-service-keys.md`` says, while people buy."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from random import Random

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from config.settings.calls import called_by
from ecommerce.calls.keys import LOOK_EVERY, PRIVATE, PUBLIC, new_private_pem, thumbprint
from ecommerce.calls.signing import ALGORITHM, LIFETIME, TYPE
from tests.faults.customers import Customers, buying
from tests.faults.invariants import require
from tests.faults.processes import until
from tests.faults.rig import Rig
from tests.faults.service_faults import GOOD, PIECES
from tests.faults.six import Six

ISSUERS = ("cart", "notification", "order")
METHODS = {
    "cart": "get_contacts", "catalog": "get_variants", "identity": "get_customers", "order": "get_orders",
    "promotion": "quote",
}  # fmt: skip
"""A method of each service. It is called without arguments, which is found out behind the token."""
FOUND_OUT = 400
REFUSED = 401
SOON = 5 * LOOK_EVERY
LOGGED = "service_token_refused"


class Keys:
    """The directories of all services; ``probes`` counts the tokens of ours that each service has refused."""

    def __init__(self, six: Six) -> None:
        self.six, self.place = six, six.stack.var_dir / "service-keys"
        self.probes: Counter[str] = Counter()

    def private(self, issuer: str) -> str:
        return (self.place / issuer / PRIVATE).read_text()

    def published(self, issuer: str) -> list[Path]:
        """Return the file that holds the public keys of a service at each one that it calls."""
        return [self.place / called / f"{issuer}{PUBLIC}" for called in sorted(called_by([issuer]))]

    def answers(self, pem: str, issuer: str) -> set[int]:
        """Return how the services that ``issuer`` calls answer to a new token by a private key."""
        return {self._asked(_token(pem, issuer, called), called) for called in called_by([issuer])}

    def await_answers(self, pem: str, issuer: str, expected: int, what: str) -> None:
        until(lambda: self.answers(pem, issuer) == {expected}, what, within=SOON)

    def _asked(self, token: str, called: str) -> int:
        url = f"{self.six.stack.services[called]}/internal/{called}/v1/{METHODS[called]}"
        status = httpx.post(url, content=b"{", headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code
        self.probes[called] += status == REFUSED
        return status

    def refusals(self) -> dict[str, int]:
        """Return how many tokens each service has refused beside those of ours."""
        logged = {name: self.six.log(name).count(LOGGED) - self.probes[name] for name in METHODS}
        return {name: count for name, count in logged.items() if count}


def keys_rotated(rig: Rig, random: Random) -> str:
    """33: every service that calls others gets a new key while people buy."""
    six = Six(rig)
    keys, arena = Keys(six), six.arena
    [variant] = arena.offer(pieces=PIECES, price="30.00")
    shop = Customers(six.stack.url, variant, arena.coupon("10.00", usage_limit=PIECES), random)
    with buying(shop):
        until(lambda: len(shop.bought) > 5, "people buy", within=60)
        for number, issuer in enumerate(random.sample(ISSUERS, len(ISSUERS))):
            _rotate(keys, issuer, patiently=not number)
            bought = len(shop.bought)
            until(lambda bought=bought: len(shop.bought) > bought + 5, "people go on buying", within=60)
    wrong = Counter(each.what for each in shop.told if each.what not in GOOD)
    require(not wrong, f"customers were told {dict(wrong)}")
    arena.audit()
    rejected = {name: count for name in ISSUERS if (count := _rejected(six, name))}
    require(not rejected, f"calls failed for their key: {rejected}")
    return f"{len(ISSUERS)} keys exchanged in {len(shop.told)} requests; {len(shop.bought)} orders, no call refused"


def _rotate(keys: Keys, issuer: str, *, patiently: bool) -> None:
    """Do what the runbook says. ``patiently``: wait until the last token by the old key is over, so that nobody even
    has to ask twice. Else it is withdrawn while tokens by it are in use, and a token of nobody, whose key is unknown,
    makes whoever is called look at the files at once."""
    old, stranger = keys.private(issuer), new_private_pem()
    require(keys.answers(stranger, issuer) == {REFUSED}, f"a token of nobody passed as {issuer}'s")
    folder = keys.six.stack.var_dir / "new"
    keys.six.stack.manage("service_keys", str(folder), issuer)
    made = folder / issuer
    new, public = (made / PRIVATE).read_text(), (made / f"{issuer}{PUBLIC}").read_text()
    require(keys.answers(new, issuer) == {REFUSED}, f"a key of {issuer} counts that was not published")
    for file in keys.published(issuer):
        with file.open("a") as opened:
            opened.write(public)
    keys.await_answers(new, issuer, FOUND_OUT, f"the new key of {issuer} counts")
    (made / PRIVATE).rename(keys.place / issuer / PRIVATE)
    if patiently:
        require(keys.answers(old, issuer) == {FOUND_OUT}, f"the old key of {issuer} counts no more before its time")
        _await_the_last_token(keys, issuer)
    for file in keys.published(issuer):
        (made / file.name).write_text(public)
        (made / file.name).rename(file)
    require(keys.answers(stranger, issuer) == {REFUSED}, f"a token of nobody passed as {issuer}'s")
    keys.await_answers(old, issuer, REFUSED, f"the old key of {issuer} counts no more")
    require(keys.answers(new, issuer) == {FOUND_OUT}, f"the new key of {issuer} does not count")
    if patiently:
        require(not keys.refusals(), f"tokens were refused: {keys.refusals()}")


def _await_the_last_token(keys: Keys, issuer: str) -> None:
    """Wait as long as the runbook says. Nobody may be refused meanwhile."""
    switched = time.monotonic()
    until(lambda: time.monotonic() > switched + LIFETIME, "the last token is over", within=LIFETIME + 1)
    require(not keys.refusals(), f"tokens were refused while both keys of {issuer} count: {keys.refusals()}")


def _rejected(six: Six, service: str) -> float:
    """Return how many calls of a service came to nothing because no token of its was accepted."""
    return sum(count for labels, count in six.figures(service, "calls_total").items() if 'outcome="rejected"' in labels)


def _token(pem: str, issuer: str, called: str) -> str:
    """Sign a token as a service does, from now on for as long as it may be."""
    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    now = int(time.time())
    claims = {"iss": issuer, "aud": called, "scope": f"{called}:read", "iat": now, "exp": now + LIFETIME}
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"typ": TYPE, "kid": thumbprint(key.public_key())})
