"""Fixtures: two small real databases, a container of the test's own, a scene in it."""

from __future__ import annotations

from itertools import count

import pytest

from local.demo.blast import Search
from local.demo.databases import Specimen, make
from local.demo.sequences import Recipe
from tests.warmer.scene import Scene, Store

NUCLEOTIDE = Specimen(
    Recipe(
        db="mini_nt",
        molecule="nucl",
        seed=31,
        subjects=150,
        subject_letters=(800, 6000),
        long_subjects=5,
        long_letters=(300_000, 500_000),
        ancestor_letters=(1200, 350, 150),
        copies=40,
    ),
    volume_size="120KB",
    least_volumes=4,
    shard_counts=(3,),
    searches=(Search("blastn", "blastn"),),
)
PROTEIN = Specimen(
    Recipe(
        db="mini_prot",
        molecule="prot",
        seed=32,
        subjects=400,
        subject_letters=(80, 700),
        long_subjects=10,
        long_letters=(5000, 35_000),
        ancestor_letters=(450, 260, 140),
        copies=40,
    ),
    volume_size="100KB",
    least_volumes=3,
    shard_counts=(2,),
    searches=(Search("blastp", "blastp"),),
)
_numbers = count()


@pytest.fixture(scope="session")
async def nucleotide(tmp_path_factory):
    """A nucleotide database that makeblastdb made."""
    return await make(NUCLEOTIDE, tmp_path_factory.mktemp("databases"))


@pytest.fixture(scope="session")
async def protein(tmp_path_factory):
    """A protein database that makeblastdb made."""
    return await make(PROTEIN, tmp_path_factory.mktemp("databases"))


@pytest.fixture
async def store(azurite):
    """A container of the test's own."""
    store = Store(azurite.account(azurite.account_name), f"blast-{next(_numbers)}")
    await store.container.create_container()
    yield store
    await store.close()


@pytest.fixture
async def mini(store, nucleotide):
    """The nucleotide database in storage, in three shards."""
    return await store.publish(nucleotide, 3)


@pytest.fixture
async def scene(tmp_path, store):
    """A place for nodes and agents."""
    async with Scene(tmp_path, store) as scene:
        yield scene
