"""What an activity's body raises: the reply's problem where no retry helps, raised on where one does."""

import pytest

from activities.binding import answering
from shared.errors import Code, NotFound, TransientFailure
from shared.runs.reconcile.payloads import Corrected


@answering(Corrected)
async def body(error, *_more):
    """Fail, whatever else is given."""
    raise error


@pytest.mark.parametrize("more", [(), ("clients", "hub")])
async def test_what_no_retry_cures_is_the_replys_problem(more):
    error = NotFound(Code.DATABASE_NOT_FOUND, "There is no 'nt'.", target="nt")

    assert await body(error, *more) == Corrected(problem=error.problem)


async def test_what_a_retry_may_cure_is_raised_on():
    with pytest.raises(TransientFailure):
        await body(TransientFailure(Code.STORAGE_UNAVAILABLE, "Busy."))
