"""The sandbox payment server: a stand-in for a payment company, as a separate HTTP process with its own books.

It shares nothing with the shop but HTTP: no imports, no database, no settings. The shop is developed, demonstrated and
tested against it, because it can be told to decline, to be slow, to charge and then never answer, and to send a webhook
twice, late, out of order or wrongly signed. Start it with ``python -m tests.sandbox_psp``; see ``README.md``.
"""
