"""What an activity's body raises: the reply's problem where no retry helps, raised on where one does."""

import pytest

from activities.binding import answering, answering_by
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


@answering_by(lambda request, error: f"{request} failed: {error.problem.message}")
async def spoken(_request, error):
    """Fail."""
    raise error


async def test_a_reply_to_an_error_may_be_made_of_the_request_and_the_error():
    assert await spoken("It", NotFound(Code.DATABASE_NOT_FOUND, "There is no 'nt'.")) == "It failed: There is no 'nt'."


async def test_what_a_retry_may_cure_is_raised_on_whatever_the_reply_would_be():
    with pytest.raises(TransientFailure):
        await spoken("It", TransientFailure(Code.STORAGE_UNAVAILABLE, "Busy."))
