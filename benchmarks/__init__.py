"""Ratios measured on one machine in one run: against the replaced system's way, and against the physical limit.

Seconds depend on the machine and on what else it does; the ratios are what counts. See docs/performance.md.
"""
