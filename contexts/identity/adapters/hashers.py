"""How passwords are stored."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id with the minimum that OWASP's Password Storage Cheat Sheet recommends: 19 MiB, 2 passes, 1 lane.

    Django's defaults (100 MiB, 8 lanes) cost about eight times as much processor time per login, which a busy shop
    pays in machines. Raising the numbers re-hashes each password at its owner's next login.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
