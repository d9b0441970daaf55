"""Random sequences with hidden relatives, the same in every run, for proofs about e-values.

Random sequence has no hits. So ancestors are drawn first, and altered copies of them are hidden in many subjects, spread
over the whole database: near copies and far ones, pieces, several in one subject, on either strand, and exact copies,
whose scores tie across shards. Only `random.Random` with a fixed seed is used, so databases can be cached.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 2
"""Rises when the generated sequences change; part of the cache's key."""

NUCLEOTIDES = b"ACGT"
# Amino acids about as frequent as in nature, in percent.
_SHARES = (8, 5, 4, 6, 2, 4, 6, 7, 2, 6, 10, 6, 2, 4, 5, 7, 5, 1, 3, 7)
RESIDUES = b"".join(bytes([residue]) * share for residue, share in zip(b"ARNDCQEGHILKMFPSTWYV", _SHARES, strict=True))
COMPLEMENT = bytes.maketrans(b"ACGT", b"TGCA")
_LINE = 20_000
_SHARE_EXACT = 0.25
_SHARE_REVERSED = 0.5
_SHARE_DELETIONS = 0.5
_HIGHEST_RATE = {"nucl": 0.25, "prot": 0.6}
"""Of substitutions; relatives beyond it are found no more."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to generate. Lengths are letters, ranges include both ends."""

    db: str
    molecule: str
    """`nucl` or `prot`, as makeblastdb spells it."""
    seed: int
    subjects: int
    subject_letters: tuple[int, int]
    long_subjects: int
    """The number of subjects of `long_letters`. They end volumes early, which makes volumes unequal."""
    long_letters: tuple[int, int]
    ancestor_letters: tuple[int, ...]
    """One family for each; the ancestors are the queries."""
    copies: int
    """The number of hidden, altered copies of each ancestor."""

    def generator(self) -> Generator:
        """A new generator for this recipe."""
        return Generator(self)


class Generator:
    """Draws one recipe's queries and subjects."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._random = random.Random(recipe.seed)  # a repeatable draw, not a secret
        self._letters = NUCLEOTIDES if recipe.molecule == "nucl" else RESIDUES
        # Every letter of a random byte string stands for one of ours.
        self._table = bytes(self._letters[value * len(self._letters) // 256] for value in range(256))
        self._ancestors = [self._draw(letters) for letters in recipe.ancestor_letters]

    def queries(self) -> dict[str, bytes]:
        """FASTA of the queries by molecule: of the database's own only."""
        records = (record(f"query_{number}", ancestor) for number, ancestor in enumerate(self._ancestors, 1))
        return {self._recipe.molecule: b"".join(records)}

    def subjects(self) -> Iterator[bytes]:
        """FASTA records of the database, each with an accession that makeblastdb can index."""
        recipe = self._recipe
        total = recipe.subjects + recipe.long_subjects
        long_ones = set(self._random.sample(range(total), recipe.long_subjects))
        hidden = self._hiding_places(total)
        prefix = "SWN" if recipe.molecule == "nucl" else "SWP"
        for index in range(total):
            shortest, longest = recipe.long_letters if index in long_ones else recipe.subject_letters
            sequence = self._draw(self._random.randint(shortest, longest))
            for family in hidden.get(index, ()):
                at = self._random.randint(0, len(sequence))
                sequence = sequence[:at] + self._copy(self._ancestors[family]) + sequence[at:]
            yield record(f"{prefix}{index:06d}.1", sequence)

    def _hiding_places(self, total: int) -> dict[int, list[int]]:
        """Subject index to the families that it gets a copy of; now and then the same family twice."""
        places: dict[int, list[int]] = {}
        for family in range(len(self._ancestors)):
            for index in self._random.choices(range(total), k=self._recipe.copies):
                places.setdefault(index, []).append(family)
        return places

    def _draw(self, letters: int) -> bytes:
        return self._random.randbytes(letters).translate(self._table)

    def _copy(self, ancestor: bytes) -> bytes:
        """One relative: exact in a quarter of the cases, else a piece, altered, perhaps on the other strand."""
        if self._random.random() < _SHARE_EXACT:
            return ancestor
        longest = len(ancestor)
        length = self._random.randint(max(30, longest // 8), longest)
        start = self._random.randint(0, longest - length)
        piece = self._alter(bytearray(ancestor[start : start + length]))
        if self._recipe.molecule == "nucl" and self._random.random() < _SHARE_REVERSED:
            return piece.translate(COMPLEMENT)[::-1]
        return piece

    def _alter(self, piece: bytearray) -> bytes:
        """Substitutions at a rate of its own, and a few insertions and deletions."""
        rate = self._random.uniform(0.01, _HIGHEST_RATE[self._recipe.molecule])
        for at in self._random.sample(range(len(piece)), int(len(piece) * rate)):
            piece[at] = self._random.choice(self._letters)
        for _ in range(int(len(piece) * rate / 25)):
            at = self._random.randrange(len(piece))
            if self._random.random() < _SHARE_DELETIONS:
                del piece[at : at + self._random.randint(1, 4)]
            else:
                piece[at:at] = self._draw(self._random.randint(1, 4))
        return bytes(piece)


def record(name: str, sequence: bytes) -> bytes:
    """One FASTA record."""
    lines = (sequence[at : at + _LINE] for at in range(0, len(sequence), _LINE))
    return b">" + name.encode() + b"\n" + b"\n".join(lines) + b"\n"
