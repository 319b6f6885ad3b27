"""The PostgreSQL that comes with the product: for development, tests, demonstrations and single machines."""

from ecommerce.db.embedded.location import locate
from ecommerce.db.embedded.server import Server, ServerError

__all__ = ["Server", "ServerError", "locate"]
