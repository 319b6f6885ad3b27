"""What can be done with orders: one module per action."""
