"""What the shop decides: how long things are held, how customers may pay."""

from datetime import timedelta
from decimal import Decimal

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()

PAYMENT_GATEWAY = env.str("PAYMENT_GATEWAY", default="sandbox")
SANDBOX_PSP_URL = env.str("SANDBOX_PSP_URL", default="http://127.0.0.1:9100")
SANDBOX_PSP_API_KEY = env.str("SANDBOX_PSP_API_KEY", default="")
SANDBOX_PSP_WEBHOOK_SECRET = env.str("SANDBOX_PSP_WEBHOOK_SECRET", default="")

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
CARD_ACTION_TIMEOUT = timedelta(minutes=15)
"""How long a buyer may take for what the card's bank asks of them (3-D Secure)."""
STOCK_HOLD_MARGIN = timedelta(minutes=15)
"""Stock stays reserved this much longer than a payment may take."""
