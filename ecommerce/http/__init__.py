"""The HTTP edge: what every REST endpoint shares, from the token that comes in to the problem that goes out."""
