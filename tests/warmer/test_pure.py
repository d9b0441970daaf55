"""Plans, markers, delays, reports and the probe's verdict, as values."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Event

import pytest

from shared.agent.report import Reason
from shared.blastdb.listings import ListedBlob
from tests.warmer.scene import ROOT
from warmer import reporting
from warmer.assignment import Task
from warmer.copying import start_delay
from warmer.failures import WarmFailure
from warmer.markers import texts
from warmer.node_folder import State
from warmer.plan import plan_files, plan_taxonomy
from warmer.progress import Entry, TaskProgress
from warmer.reporting import Reporter
from warmer.residency import percent
from warmer.retrying import RequestFailed, RetryBudget
from warmer.settings import parse
from warmer.storage import read_page

NOW = datetime(2026, 11, 21, tzinfo=UTC)
OLD = NOW - timedelta(days=1)


def blob(name, modified=NOW) -> ListedBlob:
    return ListedBlob(name, 10, "0" * 32, '"etag"', modified, {})


def blobs(*leaves, db="nt"):
    return [blob(f"{db}/{leaf}") for leaf in leaves]


VOLUME = ("nt.00.nsq", "nt.00.nin", "nt.00.nhr")
PROTEIN = ("pr.00.psq", "pr.00.pin", "pr.00.phr", "pr.pdb", "pr.ptf", "pr.pto", "pr.pos", "pr.pot", "pr.pjs")


def test_a_shard_needs_its_volumes_and_the_companions():
    listing = blobs(
        *VOLUME, "nt.00.nog", "nt.00.nxm", "nt.01.nsq", "nt.nal", "nt.ndb", "nt.ntf", "nt.nto", "nt.nos", "nt.not", "nt.njs"
    )
    wanted = plan_files("nt", "nucl", {2: ("nt.00",)}, listing)
    assert {item.leaf for item in wanted if item.shard == 2} == {*VOLUME, "nt.00.nog", "nt.00.nxm"}
    assert {item.leaf for item in wanted if item.shard is None} == {"nt.ndb", "nt.ntf", "nt.nto", "nt.nos", "nt.not", "nt.njs"}


def test_a_protein_shard_needs_protein_companions():
    wanted = plan_files("pr", "prot", {0: ("pr.00",)}, blobs(*PROTEIN, db="pr"))
    assert {item.leaf for item in wanted} == set(PROTEIN)


def test_a_single_volume_bears_the_databases_name():
    leaves = {"nt.nsq", "nt.nin", "nt.nhr", "nt.ndb"}
    wanted = plan_files("nt", "nucl", {0: ("nt",)}, blobs(*leaves))
    assert sorted(item.leaf for item in wanted) == sorted(leaves)


@pytest.mark.parametrize("foreign", ["fasta", "fa", "zip", "md5", "gz", "ndb-lock", "psq", "nal"])
@pytest.mark.parametrize("volume", ["nt", "nt.00"])
def test_files_beside_a_database_that_are_not_blasts_stay_in_storage(volume, foreign):
    leaves = {f"{volume}.nsq", f"{volume}.nin", f"{volume}.nhr", "nt.ndb"}

    wanted = plan_files("nt", "nucl", {0: (volume,)}, blobs(*leaves, f"nt.{foreign}", f"{volume}.{foreign}"))

    assert {item.leaf for item in wanted} == leaves


def test_staging_folders_are_not_the_database():
    wanted = plan_files("nt", "nucl", {0: ("nt.00",)}, [*blobs(*VOLUME, "nt.ndb"), blob("nt/staging/nt.00.nog")])
    assert "nt.00.nog" not in {item.leaf for item in wanted}


@pytest.mark.parametrize("missing", [*VOLUME, "nt.ndb"])
def test_a_file_without_which_no_search_works(missing):
    with pytest.raises(WarmFailure) as failure:
        plan_files("nt", "nucl", {0: ("nt.00",)}, [item for item in blobs(*VOLUME, "nt.ndb") if item.leaf != missing])
    assert failure.value.reason is Reason.MISSING_FILE
    assert missing in failure.value.message


@pytest.mark.parametrize(
    ("held", "fetched"),
    [
        ({}, {"taxdb.btd", "taxdb.bti"}),
        ({"taxdb.btd": NOW, "taxdb.bti": NOW}, set()),
        ({"taxdb.btd": OLD, "taxdb.bti": OLD}, {"taxdb.btd", "taxdb.bti"}),
        ({"taxdb.btd": NOW + timedelta(1), "taxdb.bti": NOW + timedelta(1)}, set()),
        ({"taxdb.btd": NOW}, {"taxdb.btd", "taxdb.bti"}),
    ],
)
def test_taxonomy_is_fetched_when_it_is_newer(held, fetched):
    assert {item.leaf for item in plan_taxonomy(blobs("taxdb.btd", "taxdb.bti"), held)} == fetched


def test_markers_stand_only_while_every_database_is_complete():
    one = State(db="a", complete=True, source_version="v1")
    two = State(db="b", complete=True)
    assert texts([one, two]) == {".download-complete": "ok", ".download-source-version": "v1"}
    assert texts([two]) == {".download-complete": "ok"}
    assert texts([one, two.model_copy(update={"complete": False})]) == {}
    assert texts([]) == {}


def test_nodes_start_at_their_own_moments_within_the_spread():
    delays = [start_delay(f"aks-blastpool-{number}", 30) for number in range(100)]
    assert delays == [start_delay(f"aks-blastpool-{number}", 30) for number in range(100)]
    assert all(0 <= delay < 30 for delay in delays)
    assert max(delays) - min(delays) > 20


def test_a_percentage_is_never_rounded_up():
    assert percent(99_999, 100_000) == 99.99
    assert percent(10, 10) == 100
    assert percent(0, 0) == 100


def test_a_report_stays_small():
    shards = tuple(range(30))
    progress = TaskProgress("aks-blastpool-12345678-vmss00000a", "warm-core-nt-0123abcd-x7x9z")
    progress.begin(Task("a", "https://a", "core_nt", "nucl", None, "f" * 32, "e" * 32, 32, "hot", shards))
    progress.expect({f"core_nt.{shard:02d}.nsq": Entry(shard, 30_000_000_000) for shard in shards})
    progress.explain("failed", Reason.GENERATION_MISMATCH, "x" * 500)
    assert len(progress.report().model_dump_json()) < 4096


def test_a_page_of_a_listing():
    text = (
        b"<?xml version='1.0'?><EnumerationResults><Blobs><Blob><Name Encoded='true'>nt/a%20b</Name><Properties>"
        b"<Last-Modified>Sat, 21 Nov 2026 00:00:00 GMT</Last-Modified><Etag>0x8D</Etag><Content-Length>12</Content-Length>"
        b"<Content-MD5>AAAAAAAAAAAAAAAAAAAAAA==</Content-MD5></Properties></Blob></Blobs><NextMarker>m</NextMarker>"
        b"</EnumerationResults>"
    )
    assert read_page(text) == ([ListedBlob("nt/a b", 12, "0" * 32, '"0x8D"', NOW, {})], "m")


def test_settings_come_from_the_environment_and_never_show_the_signature():
    settings = parse({"NODE_NAME": "n", "SHARDWARM_SAS": "sig=secret", "SHARDWARM_TOUCH_SECONDS": "", "HOME": "/"})
    assert settings.touch_seconds == 60
    assert settings.forbidden_seconds >= 180
    assert "sig=" not in repr(settings)


def budget(earlier=None) -> RetryBudget:
    """One that bears anything for a tenth of a second."""
    waits = {"unavailable_seconds": 0.1, "forbidden_seconds": 0.1, "first_seconds": 0.001, "longest_seconds": 0.001}
    return RetryBudget(Event(), **waits, forbidden_since=earlier and earlier.forbidden_since)


def tries(budget, status) -> int:
    """How often storage that always answers so is asked before that is a failure."""
    asked = count()

    def refuse():
        next(asked)
        raise RequestFailed(status, "no")

    with pytest.raises(WarmFailure):
        budget.attempt(refuse, "a file")
    return next(asked)


def test_a_role_that_is_missing_is_not_waited_for_again_by_each_new_attempt():
    first = budget()
    assert tries(first, 403) > 2
    second = budget(first)
    assert tries(second, 403) == 1
    assert tries(budget(second), 403) == 1


def test_a_role_is_waited_for_anew_once_something_came():
    first = budget()
    tries(first, 403)
    second = budget(first)
    assert second.attempt(lambda: "a file", "a file") == "a file"
    assert tries(budget(second), 403) > 2


def test_storage_that_was_away_is_waited_for_anew_by_each_attempt():
    first = budget()
    tries(first, 503)
    assert tries(budget(first), 503) > 2


def test_the_image_has_every_module_that_the_agent_imports(tmp_path):
    copies = [line.split()[1:] for line in (ROOT / "warmer/Dockerfile").read_text().splitlines() if line.startswith("COPY")]
    for *sources, target in copies:
        for file in (file for source in sources for file in ROOT.glob(f"{source}*" if source.endswith("/") else source)):
            if file.suffix == ".py":
                (tmp_path / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, tmp_path / target)

    code = "import warmer.__main__, warmer.credentials, warmer.ready"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, check=True)


def test_the_probe_loads_little():
    loaded = "import sys; import warmer.ready; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "asyncio", "ssl", "logging", "azure"} & set(modules)
    assert len(modules) < 120


class Outbox:
    """What would be sent to the cluster."""

    def __init__(self) -> None:
        self.reports = []

    def offer(self, report, *, is_urgent) -> None:
        self.reports.append((report, is_urgent))


def test_a_report_that_says_the_same_is_published_again_before_it_is_too_old_to_be_believed(tmp_path, monkeypatch):
    outbox = Outbox()
    reporter = Reporter(TaskProgress("n0", "pod"), tmp_path, outbox)
    for _ in range(3):
        reporter.write()
    assert [is_urgent for _, is_urgent in outbox.reports] == [True]
    monkeypatch.setattr(reporting, "_REPEATED_SECONDS", 0.0)
    reporter.write()
    assert [is_urgent for _, is_urgent in outbox.reports] == [True, False]
