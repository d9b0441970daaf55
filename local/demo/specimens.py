"""The databases that the main job and the tests make, and what each proves."""

from __future__ import annotations

from local.demo.blast import Search
from local.demo.databases import Specimen
from local.demo.sequences import Recipe
from local.demo.skewed import Part, SkewedRecipe

NUCLEOTIDE = Specimen(
    Recipe(
        db="demo_nt",
        molecule="nucl",
        seed=11,
        subjects=2000,
        subject_letters=(800, 9000),
        long_subjects=18,
        long_letters=(300_000, 1_100_000),
        ancestor_letters=(2400, 1200, 700, 350, 150, 60),
        copies=140,
    ),
    volume_size="300KB",
    least_volumes=12,
    shard_counts=(3, 8),
    searches=(Search("blastn", "blastn"), Search("blastn", "megablast")),
)
PROTEIN = Specimen(
    Recipe(
        db="demo_prot",
        molecule="prot",
        seed=12,
        subjects=5000,
        subject_letters=(80, 700),
        long_subjects=70,
        long_letters=(5000, 35_000),
        ancestor_letters=(900, 450, 260, 140, 70),
        copies=160,
    ),
    volume_size="500KB",
    least_volumes=5,
    shard_counts=(5,),
    searches=(Search("blastp", "blastp"),),
)
SPECIMENS = (NUCLEOTIDE, PROTEIN)
ARRIVING = Specimen(
    Recipe(
        db="demo_new",
        molecule="prot",
        seed=13,
        subjects=1500,
        subject_letters=(80, 700),
        long_subjects=12,
        long_letters=(5000, 25_000),
        ancestor_letters=(450, 260, 140),
        copies=90,
    ),
    volume_size="250KB",
    least_volumes=3,
    shard_counts=(3,),
    searches=(Search("blastp", "blastp"),),
)
"""Is uploaded, and nothing is asked for."""

# The same in every BLAST+ version, whose tasks for short queries have e-values of their own.
_SAME = ("-evalue", "10", "-lcase_masking")
_UNGAPPED = ("-ungapped", *_SAME)
# Ungapped protein searches refuse statistics by composition.
_UNGAPPED_PROTEIN = ("-ungapped", "-comp_based_stats", "F", *_SAME)
_FAMILIES = (300, 180, 110, 60, 40, 25)

SKEWED_NUCLEOTIDE = Specimen(
    SkewedRecipe(
        db="skewed_nt",
        molecule="nucl",
        seed=21,
        ancestor_residues=_FAMILIES,
        parts=(
            Part(subjects=2380, letters=(60, 160), relatives=150, maskable=False),
            Part(subjects=140, letters=(900, 2200), relatives=110, maskable=True),
            Part(subjects=4, letters=(62_000, 78_000), relatives=110, maskable=True),
        ),
    ),
    volume_size="30KB",
    least_volumes=10,
    shard_counts=(3, 8),
    searches=(
        Search("blastn", "blastn", _SAME),
        Search("blastn", "megablast", _SAME),
        Search("blastn", "dc-megablast", _SAME),
        Search("blastn", "blastn-short", _SAME),
        Search("blastn", "blastn", _UNGAPPED),
        Search("tblastn", options=_SAME),
        Search("tblastn", options=_UNGAPPED_PROTEIN),
        Search("tblastx", options=_SAME),
    ),
    masked_from_letters=900,
)
SKEWED_PROTEIN = Specimen(
    SkewedRecipe(
        db="skewed_prot",
        molecule="prot",
        seed=21,
        ancestor_residues=_FAMILIES,
        parts=(
            Part(subjects=2380, letters=(30, 90), relatives=150, maskable=False),
            Part(subjects=140, letters=(300, 800), relatives=110, maskable=True),
            Part(subjects=4, letters=(21_000, 34_000), relatives=110, maskable=True),
        ),
    ),
    volume_size="40KB",
    least_volumes=10,
    shard_counts=(3, 8),
    searches=(
        Search("blastp", "blastp", _SAME),
        Search("blastp", "blastp-short", _SAME),
        Search("blastp", "blastp-fast", _SAME),
        Search("blastp", "blastp", _UNGAPPED_PROTEIN),
        Search("blastx", options=_SAME),
        Search("blastx", options=_UNGAPPED_PROTEIN),
    ),
    masked_from_letters=300,
)
SKEWED = (SKEWED_NUCLEOTIDE, SKEWED_PROTEIN)
"""Volumes of thousands of short sequences beside volumes of one long one."""
