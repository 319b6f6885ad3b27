"""What can be done in catalog, one function per action.

Locks are always taken in this order, so that no two actions wait for each other: categories, stock (by variant id),
products (by id), variants (by id), ``product_catalog``.
"""
