"""A stored database as values: its metadata blob, its shard layouts, and the decision whether both are current."""
