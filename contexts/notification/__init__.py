"""Notification: what the shop tells people, by e-mail, SMS and push.

Owns the templates and their versions, the delivery log, the wishes of each recipient and the push subscriptions.
Publishes nothing. Listens to identity, catalog, cart and order; calls ``OrderInterface``, ``CartInterface`` and
``IdentityInterface`` for the personal data that events leave out.

Delivery is at least once: a worker that dies between the provider's answer and the record of it sends again after the
lease. The ``Message-ID`` header and the SMS idempotency key derive from the message, so that a receiver can tell.
"""
