"""Orders: checkout, payments, shipments.

Owns orders with their snapshots, payment attempts and ledger, shipments and tracking, and the sales read model.
Publishes ``order.*`` (see ``events.py``). Calls cart, promotion, catalog and identity. The purchase is the saga
CREATE_ORDER in ``sagas.py``.
"""
