"""Fixtures of the proofs with real BLAST+."""

import pytest

from local.blast import BlastUnavailable, newer_programs


@pytest.fixture(scope="module", params=["own", "2.16"])
async def programs(request):
    """The folder of one BLAST+; None for the machine's own."""
    if request.param == "own":
        return None
    try:
        return await newer_programs()
    except BlastUnavailable as why:
        pytest.skip(str(why))
