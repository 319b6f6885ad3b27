"""One function per action. Those that change a cart read from other contexts first, then open one unit of work.

``precondition`` is called with the cart's version under the row's lock and refuses the change by raising.
"""
