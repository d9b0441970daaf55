"""Whole runs, on the local stack. A package, so that its stacks end with its tests."""
