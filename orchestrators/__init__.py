"""What happens next, replayed from history and therefore deterministic and free of IO.

Time and ids come from `ctx`, steering values from the input, effects from activities called by name.
"""
