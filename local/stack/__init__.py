"""The whole local stack. Tests and the demo embed `Stack`; `python -m local.stack` keeps one up."""

from local.stack.stack import DEFAULT_ROOT, Addresses, Stack

__all__ = ["DEFAULT_ROOT", "Addresses", "Stack"]
