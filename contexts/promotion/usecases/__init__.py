"""What promotion can do: one function per action."""
