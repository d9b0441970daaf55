"""Every way in which a manifest or an alias can disagree is refused, and what agrees is not."""

from __future__ import annotations

import pytest

from shared.agent.report import Reason
from shared.blastdb.volumes import VolumeSet
from warmer.agreement import Totals, check_alias, check_apart, parse_alias, volumes_of
from warmer.failures import WarmFailure

VOLUMES = VolumeSet(db="nt", molecule="nucl", count=3, digits=2)
NAMES = ("nt.00", "nt.01")
TEXT = (
    b"TITLE nt_shard_00\nDBLIST /blast/blastdb/nt.00 /blast/blastdb/nt.01\nNSEQ 7\nLENGTH 900\nSTATS_NSEQ 7\nSTATS_TOTLEN 900\n"
)
TOTALS = Totals(7, 900)


def check(text, totals=TOTALS):
    check_alias("nt", 0, NAMES, parse_alias("nt_shard_00", text), totals)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.replace(b"\n", b"\r\n"),
        b"# a comment\n" + TEXT,
        b"\n".join(reversed(TEXT.splitlines())),
        # The replaced system's form; it gives other e-values, but the right volumes.
        TEXT.partition(b"NSEQ")[0],
        # An earlier form of ours, as layouts have it that were not renewed yet.
        TEXT.replace(b"\nNSEQ 7\nLENGTH 900", b""),
    ],
)
def test_an_alias_that_agrees(text):
    check(text)


def test_totals_that_cannot_be_known_are_believed():
    check(TEXT, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"nt_shard_00", b"nt_shard_01"),
        (b"nt.00", b"nt.02"),
        (b"/blast/blastdb/nt.00 /blast/blastdb/nt.01", b"/blast/blastdb/nt.01 /blast/blastdb/nt.00"),
        (b" /blast/blastdb/nt.01", b""),
        (b"/blast/blastdb/", b"/elsewhere/"),
        (b"/blast/blastdb/", b""),
        (b"STATS_NSEQ 7", b"STATS_NSEQ 8"),
        (b"STATS_NSEQ 7", b"STATS_NSEQ 7,000"),
        (b"STATS_NSEQ 7", b"STATS_NSEQ"),
        (b"STATS_NSEQ 7\n", b""),
        (b"STATS_NSEQ 7\nSTATS_TOTLEN 900\n", b""),
        (b"\nNSEQ 7", b"\nNSEQ 8"),
        (b"LENGTH 900", b"LENGTH 901"),
        (b"LENGTH 900", b"LENGTH many"),
        (b"LENGTH 900\n", b""),
        (b"STATS_NSEQ", b"NSEQ"),
        (b"STATS_NSEQ", b"stats_nseq"),
        (b"STATS_NSEQ 7", b"STATS_NSEQ 7\nGILIST some.gil"),
        (b"STATS_NSEQ 7", b"STATS_NSEQ 7\nSTATS_NSEQ 7"),
        (b"TITLE nt_shard_00\n", b""),
        (TEXT, b""),
        (TEXT, b"\xff\xfe"),
    ],
)
def test_an_alias_that_disagrees(old, new):
    with pytest.raises(WarmFailure) as failure:
        check(TEXT.replace(old, new))
    assert failure.value.reason is Reason.ALIAS_MISMATCH


def test_a_manifest_that_agrees():
    assert volumes_of(VOLUMES, 0, b"nt.00\nnt.01\n") == NAMES


@pytest.mark.parametrize("text", [b"", b"nt.03\n", b"nt.00\nnt.00\n", b"other.00\n", b"nt\n", b"../nt.00\n", b"\xff\xff"])
def test_a_manifest_that_disagrees(text):
    with pytest.raises(WarmFailure) as failure:
        volumes_of(VOLUMES, 0, text)
    assert failure.value.reason is Reason.MANIFEST_MISMATCH


def test_manifests_of_different_layouts():
    with pytest.raises(WarmFailure):
        check_apart({0: ("nt.00", "nt.01"), 1: ("nt.01", "nt.02")})
