"""The custom status of a run: what the portal shows and the operation reads."""

from orchestrators.steps import Context, RunFailedError
from shared.errors import Problem
from shared.runs.callbacks import CallbackState
from shared.runs.operations import PrepareProgress, Progress, ReconcileProgress, SettleProgress, WarmProgress


class Board[Shown: (Progress, WarmProgress, SettleProgress, PrepareProgress, ReconcileProgress, CallbackState)]:
    """Shows one run's progress, and remembers it, so that a failure still says how far the run was."""

    def __init__(self, ctx: Context, first: Shown) -> None:
        self._ctx = ctx
        self._shown: Shown = first
        self.show(first)

    def show(self, progress: Shown) -> None:
        """Replace what is shown."""
        self._shown = progress
        self._ctx.set_custom_status(progress.model_dump(mode="json", exclude_defaults=True))

    def failed(self, problem: Problem) -> RunFailedError:
        """Say why the run failed, with the counts that it had reached; what is returned is to be raised, and ends it so."""
        self.show(self._shown.model_copy(update={"phase": "failed", "error": problem}))
        return RunFailedError(problem)
