"""The whole stack on one machine: Functions host, storage, cluster and demo."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The project's folder."""
