"""What becomes of a warm database, as transitions. The entity in `orchestrators` keeps it."""

from datetime import timedelta

from shared.runs.warmup import Expiry, Rewarm, WarmRun

_FIRST_PAUSE = timedelta(minutes=20)
_DOUBLINGS = 5


def rewarm(state: Expiry | None, request: Rewarm) -> tuple[WarmRun | None, Expiry | None]:
    """The warmup that is to be started, if it is, and the new state. A warmup that succeeds sets the state anew."""
    if state is None or state.warm is None or state.run != request.seen:
        return None, state
    if state.not_before is not None and request.now < state.not_before:
        return None, state
    pause = _FIRST_PAUSE * 2 ** min(state.tries, _DOUBLINGS)
    again = state.warm.model_copy(update={"run": request.run, "watch": None, "presumed_dead": None})
    return again, state.model_copy(update={"tries": state.tries + 1, "not_before": request.now + pause})
