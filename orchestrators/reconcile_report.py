"""What a reconcile pass did and told, and what is left of its share, which bounds every kind of healing together."""

import logging
from collections.abc import Sequence
from typing import Any, Literal

from shared.runs.reconcile.result import Act, Action, Count, ReconcileResult

_NAMED = 20
_LONGEST = 120


class PassReport:
    """One pass's actions. Each is logged with its reason, and counted; of many the first are named."""

    def __init__(self, share: int, log: logging.LoggerAdapter[Any]) -> None:
        self._log = log
        self._actions: list[Action] = []
        self._counts: dict[tuple[str, str], int] = {}
        self.share = share
        self.left = self.healed = self.told = 0

    def take(self) -> bool:
        """One of the pass's share, if there is any left."""
        if not self.share:
            self.left += 1
            return False
        self.share -= 1
        return True

    def did(self, action: Act, target: str, reason: str, outcome: str) -> None:
        """Something was healed."""
        self.healed += 1
        self._note(action, target, reason, outcome)
        self._log.info(f"Reconciled {target}: {action} because of {reason}: {outcome}")

    def leave(self, target: str, reason: str, detail: str) -> None:
        """Something is left to a person, or to a later pass."""
        self.told += 1
        self._note("tell", target, reason, detail)
        self._log.warning(f"Left {target} as it is: {reason}: {detail}")

    def forgot(self, what: str) -> None:
        """Housekeeping, and no healing."""
        self._note("purge", "task hub", "retention", what)
        self._log.info(f"Forgot {what}.")

    def result(
        self, outcome: Literal["reconciled", "canceled"], accounts: Sequence[str], databases: int, pages: int
    ) -> ReconcileResult:
        """The pass so far."""
        return ReconcileResult(
            outcome=outcome,
            accounts=tuple(accounts),
            databases=databases,
            pages=pages,
            healed=self.healed,
            told=self.told,
            left=self.left,
            counts=tuple(Count(action=act, reason=why, times=times) for (act, why), times in sorted(self._counts.items())),
            actions=tuple(self._actions[:_NAMED]),
        )

    def _note(self, action: Act, target: str, reason: str, outcome: str) -> None:
        self._counts[action, reason] = self._counts.get((action, reason), 0) + 1
        self._actions.append(Action(target=target, action=action, reason=reason, outcome=outcome[:_LONGEST]))
