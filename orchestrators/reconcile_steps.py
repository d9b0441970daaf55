"""The steps of a reconcile pass: look, heal what is safe within the pass's share, tell the rest. Each remembers what it did."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from orchestrators.lease import HeldLease, now
from orchestrators.reconcile_prune import prune
from orchestrators.reconcile_report import PassReport
from orchestrators.shard_child import refusal_of
from orchestrators.steps import Context, RunStatus, StepFailedError, Steps, ask, call_all, run, tell
from shared.runs.ids import EXPIRY_ENTITY, LEASE_ENTITY, UPLOAD_ENTITY
from shared.runs.leases import NamedRun, Reply
from shared.runs.operations import ReconcileProgress
from shared.runs.prepare.payloads import PrepareRun
from shared.runs.reconcile.children import prepare_run, shard_run
from shared.runs.reconcile.payloads import (
    AccountSurvey,
    CheckWarmup,
    Corrected,
    CorrectMetadata,
    DeadHolder,
    DeadSettle,
    Drifted,
    HubSurvey,
    Purged,
    PurgeRuns,
    ReconcileRun,
    SurveyAccount,
    SurveyHub,
    WarmDatabase,
    WarmupCheck,
)
from shared.runs.reconcile.result import ReconcileResult
from shared.runs.shard.payloads import ShardRun
from shared.runs.upload.transitions import Revive
from shared.runs.warmup.expiry import Rewarm, Rewarmed

_PURGE_EVERY = 6
"""Purging reads the hub's whole history, so not every pass does it."""


class ReconcileSteps:
    """One pass."""

    def __init__(
        self,
        ctx: Context,
        request: ReconcileRun,
        tenure: HeldLease,
        board: RunStatus[ReconcileProgress],
        log: logging.LoggerAdapter[Any],
    ) -> None:
        self._ctx = ctx
        self._request = request
        self._tenure = tenure
        self._board = board
        self._ledger = PassReport(request.terms.most_actions, log)
        self._databases = self._pages = 0

    def look_at_hub(self) -> Steps[HubSurvey]:
        """What the task hub keeps.

        Raises:
            StepFailedError: it does not answer.
        """
        look = SurveyHub(accounts=self._request.accounts, most=self._request.terms.most_actions, turn=self._request.number)
        return (yield from run(self._ctx, "survey_hub", look, HubSurvey, self._request.terms.retry))

    def free(self, dead: DeadHolder) -> Steps[None]:
        """Give a lease back in the name of its dead holder; nothing happens if it is another's by now."""
        if not self._ledger.take():
            return
        reply = yield from ask(self._ctx, LEASE_ENTITY, dead.key, "release", NamedRun(run=dead.run), Reply)
        if reply.granted:
            self._ledger.did("release", dead.key, "dead holder", dead.run)

    def account(self, account: str) -> Steps[None]:
        """Look at an account and heal its databases."""
        survey = yield from self._survey(account, "")
        yield from self._heal(account, survey)
        for initial in survey.initials:
            part = yield from self._survey(account, initial)
            yield from self._heal(account, part)

    def revive(self, dead: DeadSettle) -> None:
        """Have an upload settled by another settle; nothing happens if it has one, or needs none, by now."""
        if not self._ledger.take():
            return
        revival = Revive(presumed_dead=dead.run, now=now(self._ctx), settle=dead.settle)
        tell(self._ctx, UPLOAD_ENTITY, dead.settle.key, "revive", revival)
        self._ledger.did("revive", dead.settle.key, "dead settle", dead.run)

    def warm(self, warm: WarmDatabase) -> Steps[None]:
        """Look at a warm database, and start its warmup again if its nodes are not what they were."""
        self._tenure.stop_if_canceled()
        target = f"{warm.cluster.name}/{warm.db}"
        if warm.overdue is not None:
            self._ledger.leave(target, "release", warm.overdue)
            return
        try:
            check = CheckWarmup(warm=warm)
            warmth = yield from run(self._ctx, "check_warmup", check, WarmupCheck, self._request.terms.retry)
        except StepFailedError as error:
            self._ledger.leave(target, "unknown", error.problem.message)
            return
        if warmth.trouble is not None:
            self._ledger.leave(target, "warmth", warmth.trouble)
        if warmth.again is None or not self._ledger.take():
            return
        again = Rewarm(run=f"{self._ctx.instance_id}-warm-{self._ledger.healed}", seen=warm.run, now=now(self._ctx))
        rewarmed = yield from ask(self._ctx, EXPIRY_ENTITY, warm.key, "rewarm", again, Rewarmed)
        if rewarmed.started:
            self._ledger.did("warm", target, "warmth", warmth.again)
        else:
            self._ledger.leave(target, "warmth", f"{warmth.again}; warming it again did not help a short while ago")

    def purge(self) -> Steps[None]:
        """Forget what is past its retention, every so many passes."""
        if self._request.number % _PURGE_EVERY != 1:
            return
        purge = PurgeRuns(retention_seconds=self._request.terms.retention_seconds)
        try:
            purged = yield from run(self._ctx, "purge_runs", purge, Purged, self._request.terms.retry)
        except StepFailedError as error:
            self._ledger.leave("task hub", "purge", error.problem.message)
            return
        if purged.runs or purged.entities:
            self._ledger.forgot(f"{purged.runs} runs, {purged.entities} entities")

    def result(self, outcome: Literal["reconciled", "canceled"]) -> ReconcileResult:
        """What the pass did so far."""
        return self._ledger.result(outcome, self._request.accounts, self._databases, self._pages)

    def show(self, phase: Literal["looking", "healing", "done", "canceled"]) -> None:
        """Show how far the pass is."""
        progress = ReconcileProgress(
            phase=phase, databases_total=self._databases, healed=self._ledger.healed, told=self._ledger.told
        )
        self._board.show(progress)

    def _survey(self, account: str, initial: str) -> Steps[AccountSurvey]:
        self._tenure.stop_if_canceled()
        request = self._request
        look = SurveyAccount(account=account, terms=request.terms, turn=request.number, initial=initial)
        try:
            survey = yield from run(self._ctx, "survey_account", look, AccountSurvey, request.terms.retry)
        except StepFailedError as error:
            survey = AccountSurvey(problem=error.problem)
        if survey.problem is not None:
            self._ledger.leave(account, "unknown", survey.problem.message)
        self._databases += survey.databases
        self._pages += survey.pages
        self._ledger.left += survey.left
        self.show("looking")
        return survey

    def _heal(self, account: str, survey: AccountSurvey) -> Steps[None]:
        for found in survey.to_tell:
            self._ledger.leave(f"{account}/{found.db}", found.reason, found.detail)
        to_shard: list[Drifted] = []
        to_prepare: list[Drifted] = []
        for found in survey.to_heal:
            self._tenure.stop_if_canceled()
            share = self._ledger.share
            if not share:
                self._ledger.left += 1
            elif (yield from self._prepare(account, found)):
                # A correction that changed something has taken for the run that follows it, too.
                has_taken = self._ledger.share < share
                to_shard += [found] if found.shard and (has_taken or self._ledger.take()) else []
                to_prepare += [found] if found.prepare and self._ledger.take() else []
        self.show("healing")
        yield from self._tenure.renew()
        yield from self._shard(account, to_shard)
        yield from self._finish(account, to_prepare)

    def _prepare(self, account: str, found: Drifted) -> Steps[bool]:
        """What comes before a run; whether the run may follow."""
        if found.correct and not (yield from self._correct(account, found)):
            return False
        return not found.prune or (yield from self._prune(account, found))

    def _prune(self, account: str, found: Drifted) -> Steps[bool]:
        """Remove ghosts, holding the database meanwhile; False when they stay."""
        target = f"{account}/{found.db}"
        pruned = yield from prune(self._ctx, account, found, self._request.terms)
        if pruned.problem is not None:
            self._ledger.leave(target, found.reason, pruned.problem.message)
            return False
        if pruned.blobs:
            self._ledger.did("prune", target, found.reason, f"{pruned.volumes} volumes, {pruned.blobs} blobs")
        return bool(pruned.blobs)

    def _correct(self, account: str, found: Drifted) -> Steps[bool]:
        """Correct the metadata; False when the database is somebody's who lives."""
        target = f"{account}/{found.db}"
        gone, describe = found.reason == "gone", found.reason == "headers"
        correction = CorrectMetadata(account=account, db=found.db, gone=gone, describe=describe, finish=found.prepare)
        try:
            corrected = yield from run(self._ctx, "correct_metadata", correction, Corrected, self._request.terms.retry)
        except StepFailedError as error:
            corrected = Corrected(problem=error.problem)
        if corrected.problem is not None:
            self._ledger.leave(target, found.reason, corrected.problem.message)
        if corrected.changes:
            self._ledger.take()
            self._ledger.did("correct", target, found.reason, "; ".join(corrected.changes))
        return not corrected.busy and corrected.problem is None

    def _shard(self, account: str, drifted: list[Drifted]) -> Steps[None]:
        terms, prefix = self._request.terms, self._prefix("shard")
        runs: list[ShardRun] = []
        for place, found in enumerate(drifted):
            is_new = found.reason in {"never", "stale", "mark"}
            refusal = (yield from refusal_of(self._ctx, account, found.db, terms.retry)) if is_new else None
            runs.append(shard_run(account, found, terms, f"{prefix}-{place}", refusal))
        yield from self._run("shard", account, drifted, runs)

    def _finish(self, account: str, drifted: list[Drifted]) -> Steps[None]:
        terms, prefix = self._request.terms, self._prefix("prepare")
        runs = [prepare_run(account, found, terms, f"{prefix}-{place}") for place, found in enumerate(drifted)]
        yield from self._run("prepare", account, drifted, runs)

    def _prefix(self, orchestrator: str) -> str:
        # Healings so far make the ids differ from those of the pass's other children.
        return f"{self._ctx.instance_id}-{orchestrator}-{self._ledger.healed}"

    def _run(
        self,
        orchestrator: Literal["shard", "prepare"],
        account: str,
        drifted: list[Drifted],
        runs: Sequence[ShardRun | PrepareRun],
    ) -> Steps[None]:
        if not runs:
            return
        patience = timedelta(seconds=self._request.terms.patience_seconds)
        ends = yield from call_all(self._ctx, orchestrator, [(child.run, child) for child in runs], patience)
        for found, end in zip(drifted, ends, strict=True):
            outcome = "still under way" if end is None else end or "done"
            self._ledger.did(orchestrator, f"{account}/{found.db}", found.reason, f"{found.detail}: {outcome}")
        self.show("healing")
