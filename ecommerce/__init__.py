"""The platform: what every bounded context stands on. It knows no context, no product and no order."""
