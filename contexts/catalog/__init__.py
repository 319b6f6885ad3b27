"""Catalog: what is sold, for how much, and how many pieces there are.

Owns categories, products, variants, prices, media, stock and its reservations, reviews, favourites and stock alerts,
and the read model ``product_catalog`` that the shop reads. Publishes changes of products and
prices, stock that is counted by hand, and pieces that are back in stock. Calls no other context; hears from order what
was paid, cancelled and delivered.
"""
