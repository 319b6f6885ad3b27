"""What the shop decides: how long things are held, how customers may pay."""

from datetime import timedelta
from decimal import Decimal

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()

PAYMENT_GATEWAYS: dict[str, str] = env.dict(
    "PAYMENT_GATEWAYS",
    default=dict.fromkeys(("card", "debit_card", "pix", "boleto", "voucher"), "sandbox"),
)
"""Which gateway takes which method: ``card=stripe,pix=sandbox``. A method that is not named is not taken."""
SANDBOX_PSP_URL = env.str("SANDBOX_PSP_URL", default="http://127.0.0.1:9100")
SANDBOX_PSP_API_KEY = env.str("SANDBOX_PSP_API_KEY", default="")
SANDBOX_PSP_WEBHOOK_SECRET = env.str("SANDBOX_PSP_WEBHOOK_SECRET", default="")
STRIPE_API_KEY = env.str("STRIPE_API_KEY", default="")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")
STRIPE_API_URL = env.str("STRIPE_API_URL", default="")
"""Another address than Stripe's own, for tests."""

MAXIMUM_INSTALMENTS = env.int("MAXIMUM_INSTALMENTS", default=24)
MINIMUM_INSTALMENT = Decimal(env.str("MINIMUM_INSTALMENT", default="1.00"))
"""The smallest instalment, in the shop's currency."""
FREE_INSTALMENTS = env.int("FREE_INSTALMENTS", default=MAXIMUM_INSTALMENTS)
"""Up to so many instalments the shop bears what they cost; beyond them the buyer pays interest."""
INSTALMENT_MONTHLY_RATE = Decimal(env.str("INSTALMENT_MONTHLY_RATE", default="0"))
"""That interest, in hundredths per month (Price table): 1.99 is 1.99 %."""
if not INSTALMENT_MONTHLY_RATE.is_finite() or INSTALMENT_MONTHLY_RATE < 0:
    raise ImproperlyConfigured(f"INSTALMENT_MONTHLY_RATE is {INSTALMENT_MONTHLY_RATE}: it is a number from 0 on")

PIX_EXPIRY = timedelta(minutes=env.int("PIX_EXPIRY_MINUTES", default=30))
BOLETO_DUE = timedelta(days=env.int("BOLETO_DUE_DAYS", default=3))
"""Calendar days until a boleto is due."""
BOLETO_CLEARING = env.int("BOLETO_CLEARING_DAYS", default=3)
"""Banks report a boleto up to so many banking days after the one on which it could last be paid."""
CAPTURE_LATER = frozenset(env.list("CAPTURE_LATER", default=[]))
"""Methods whose money is only authorized at the checkout and captured before the first parcel leaves, such as ``card``.
Where the gateway cannot authorize a method it is captured at once."""
PAYMENT_RETRY_WINDOW = timedelta(minutes=env.int("PAYMENT_RETRY_MINUTES", default=0))
"""How long an order whose last payment lapsed or failed still waits for another one. Without it, it is cancelled at
once, and its cart opened again."""
CARD_ACTION_TIMEOUT = timedelta(minutes=15)
"""How long a buyer may take for what the card's bank asks of them (3-D Secure)."""
STOCK_HOLD_MARGIN = timedelta(minutes=15)
"""Stock stays reserved this much longer than a payment may take."""
