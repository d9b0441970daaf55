"""A stored database as values: its metadata blob, its layouts, and whether it is what it must be."""
