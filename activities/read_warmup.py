"""Look how warm a database is, by measured reports."""

from datetime import UTC, datetime

from shared.clients import Clients
from shared.errors import Code, Problem, ShardwarmError, TransientFailure
from shared.runs.assignment import AssignmentDocument
from shared.runs.readings import Readings
from shared.runs.reports import parse_report
from shared.runs.warm import WarmStatus, status_of
from shared.runs.warmup import ReadWarmup, WarmReading
from shared.sanitise import sanitised_line

_REASONS = 5
_REASON_LENGTH = 160


async def read_warmup(request: ReadWarmup, clients: Clients) -> WarmReading:
    """One look: DaemonSet, pods and nodes. Trouble with the cluster is `Unknown`, never warm and never cold."""
    try:
        warming = await clients.warming(request.cluster)
        document = await warming.assignment(request.db)
        if document is None:
            return WarmReading(status="Absent")
        readings = await warming.readings(request.db)
    except TransientFailure as error:
        return WarmReading(status="Unknown", trouble=sanitised_line(error.problem.message, _REASON_LENGTH))
    except ShardwarmError as error:
        return WarmReading(status="Failed", reasons=(error.problem,))
    if document.mode == "evict":
        return _eviction(document, readings)
    return _short(status_of(document, readings, datetime.now(UTC)))


def _eviction(document: AssignmentDocument, readings: Readings) -> WarmReading:
    """While a database is being released: `nodes_ready` are those that have given it up."""
    reports = [parse_report(pod.report) if pod.report else None for pod in readings.pods]
    done = sum(
        1 for report in reports if report and (report.db, report.mode, report.phase) == (document.db, "evict", "completed")
    )
    return WarmReading(status="Stale", nodes_ready=done, nodes_total=len(reports), trouble=readings.trouble)


def _short(status: WarmStatus) -> WarmReading:
    cold = [(name, node) for name, node in status.nodes.items() if node.state != "warm"]
    return WarmReading(
        status=status.status,
        nodes_ready=status.nodes_ready,
        nodes_total=status.total_jobs,
        nodes_failed=status.nodes_failed,
        files_done=status.files_done,
        files_total=status.files_total,
        bytes_done=status.bytes_done,
        bytes_total=status.bytes_total,
        bytes_moved=status.bytes_moved,
        resident_percent=status.resident_pct,
        covered=bool(status.shard_progress) and all(shard.nodes_warm for shard in status.shard_progress.values()),
        reasons=tuple(
            Problem(
                code=Code.WARMUP_FAILED,
                message=sanitised_line(f"{node.reason or node.phase}: {node.message or ''}", _REASON_LENGTH),
                target=name,
            )
            for name, node in cold[:_REASONS]
        ),
        trouble=sanitised_line(status.error, _REASON_LENGTH) if status.error else None,
    )
