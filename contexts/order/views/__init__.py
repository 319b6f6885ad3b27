"""The REST endpoints of orders: the buyer's and the staff's."""
