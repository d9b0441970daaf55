"""What the app asked of storage during one test."""

import pytest


@pytest.fixture
def records(stack):
    """The proxy's records since this test began; `clear()` begins anew."""
    stack.proxy.clear()
    return stack.proxy.records
