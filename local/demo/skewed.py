"""Skewed databases: from thousands of short sequences to a few very long ones, the hardest case for exact results.

Shards of such a database have average sequence lengths that differ a thousandfold, and BLAST's cutoffs depend on the
average. The same families are hidden in nucleotides and in proteins, so that translated searches find them too: relatives
of one subject lie in pieces with random letters between, as exons do, which BLAST links and rates together. Stretches of
few kinds of letters, which makeblastdb can mask, are in some parts of the database only. Unknown and ambiguous letters
and queries that are partly in small letters (soft masks) are there as well.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from local.demo.sequences import COMPLEMENT, NUCLEOTIDES, RESIDUES, record

if TYPE_CHECKING:
    from collections.abc import Iterator

_CODONS = {
    "A": "GCT GCC GCA GCG",
    "R": "CGT CGC CGA CGG AGA AGG",
    "N": "AAT AAC",
    "D": "GAT GAC",
    "C": "TGT TGC",
    "Q": "CAA CAG",
    "E": "GAA GAG",
    "G": "GGT GGC GGA GGG",
    "H": "CAT CAC",
    "I": "ATT ATC ATA",
    "L": "TTA TTG CTT CTC CTA CTG",
    "K": "AAA AAG",
    "M": "ATG",
    "F": "TTT TTC",
    "P": "CCT CCC CCA CCG",
    "S": "TCT TCC TCA TCG AGT AGC",
    "T": "ACT ACC ACA ACG",
    "W": "TGG",
    "Y": "TAT TAC",
    "V": "GTT GTC GTA GTG",
}
_CODONS_OF = {ord(residue): codons.encode().split() for residue, codons in _CODONS.items()}
_UNSURE = {"nucl": b"NRYKMSW", "prot": b"XBZU"}
_SHARE_UNSURE = 0.002
_SHARE_EXACT = 0.15
_HIGHEST_RATE = 0.55
_SHARE_REVERSED = 0.5
_SHARE_DELETIONS = 0.4
_LEAST_FOR_DELETIONS = 90
_SHARE_SIMPLE = 0.5
_SHARE_SOFT_MASKED = 0.5
_SIMPLE = {"nucl": b"AAAAT", "prot": b"PPPQ"}
_SIMPLE_LETTERS = 60


class Part(NamedTuple):
    """Neighbours in a database. Lengths are letters, the range includes both ends."""

    subjects: int
    letters: tuple[int, int]
    relatives: int
    """The number of copies of family members hidden in this part."""
    maskable: bool
    """Whether there are stretches of few kinds of letters in it."""


@dataclass(frozen=True, slots=True)
class SkewedRecipe:
    """What to generate."""

    db: str
    molecule: str
    """`nucl` or `prot`, as makeblastdb spells it."""
    seed: int
    """Databases of one seed have the same families."""
    ancestor_residues: tuple[int, ...]
    """One family for each; the ancestors are the queries."""
    parts: tuple[Part, ...]

    def generator(self) -> SkewedGenerator:
        """A new generator for this recipe."""
        return SkewedGenerator(self)


class SkewedGenerator:
    """Draws one recipe's queries and subjects."""

    def __init__(self, recipe: SkewedRecipe) -> None:
        self._recipe = recipe
        self._random = random.Random(recipe.seed)  # a repeatable draw, nothing secret
        self._letters = NUCLEOTIDES if recipe.molecule == "nucl" else RESIDUES
        self._table = bytes(self._letters[value * len(self._letters) // 256] for value in range(256))
        self._proteins = [bytes(self._random.choices(RESIDUES, k=residues)) for residues in recipe.ancestor_residues]
        self._genes = [b"".join(self._random.choice(_CODONS_OF[residue]) for residue in protein) for protein in self._proteins]

    def queries(self) -> dict[str, bytes]:
        """FASTA of the queries by molecule, the same for both kinds of database."""
        return {"nucl": self._fasta(self._genes, "nucl"), "prot": self._fasta(self._proteins, "prot")}

    def subjects(self) -> Iterator[bytes]:
        """FASTA records of the database, part by part, each with an accession that makeblastdb can index."""
        prefix = "SKN" if self._recipe.molecule == "nucl" else "SKP"
        number = 0
        for part in self._recipe.parts:
            hidden = self._random.choices(range(part.subjects), k=part.relatives)
            for index in range(part.subjects):
                sequence = self._subject(part, hidden.count(index))
                yield record(f"{prefix}{number:06d}.1", sequence)
                number += 1

    def _fasta(self, ancestors: list[bytes], molecule: str) -> bytes:
        draw = random.Random(f"{self._recipe.seed} {molecule}")
        return b"".join(
            record(f"query_{number}", _soft_masked(_unsure(ancestor, molecule, draw), draw))
            for number, ancestor in enumerate(ancestors, 1)
        )

    def _subject(self, part: Part, relatives: int) -> bytes:
        letters = self._random.randint(*part.letters)
        sequence = self._random.randbytes(letters).translate(self._table)
        inserts = [self._relative(letters) for _ in range(relatives)]
        if part.maskable and self._random.random() < _SHARE_SIMPLE:
            inserts.append(bytes(self._random.choices(_SIMPLE[self._recipe.molecule], k=_SIMPLE_LETTERS)))
        for insert in inserts:
            at = self._random.randint(0, max(0, len(sequence) - len(insert)))
            # It replaces letters, so that lengths stay within the part's range.
            sequence = sequence[:at] + insert + sequence[at + len(insert) :]
        return _unsure(sequence[: part.letters[1]], self._recipe.molecule, self._random)

    def _relative(self, longest: int) -> bytes:
        """Altered pieces of one ancestor, one after the other, with random letters between, on either strand."""
        ancestor = self._random.choice(self._genes if self._recipe.molecule == "nucl" else self._proteins)
        if len(ancestor) <= longest and self._random.random() < _SHARE_EXACT:
            return ancestor
        size = min(len(ancestor), longest)
        start = self._random.randint(0, len(ancestor) - size)
        cuts = sorted(self._random.sample(range(1, size), min(size - 1, self._random.randint(0, 3))))
        pieces = [
            self._alter(bytearray(ancestor[start + begin : start + end]))
            + self._random.randbytes(self._random.randint(3, 40)).translate(self._table)
            for begin, end in zip([0, *cuts], [*cuts, size], strict=True)
        ]
        relative = b"".join(pieces)
        if self._recipe.molecule == "nucl" and self._random.random() < _SHARE_REVERSED:
            return relative.translate(COMPLEMENT)[::-1]
        return relative

    def _alter(self, piece: bytearray) -> bytes:
        rate = self._random.uniform(0.01, _HIGHEST_RATE)
        if self._recipe.molecule == "nucl":
            rate /= 2
        for at in self._random.sample(range(len(piece)), int(len(piece) * rate)):
            piece[at] = self._random.choice(self._letters)
        if len(piece) > _LEAST_FOR_DELETIONS and self._random.random() < _SHARE_DELETIONS:
            at = self._random.randrange(len(piece))
            del piece[at : at + self._random.randint(1, 4)]
        return bytes(piece)


def _unsure(sequence: bytes, molecule: str, draw: random.Random) -> bytes:
    letters = bytearray(sequence)
    for _ in range(int(len(letters) * _SHARE_UNSURE + draw.random())):
        letters[draw.randrange(len(letters))] = draw.choice(_UNSURE[molecule])
    return bytes(letters)


def _soft_masked(sequence: bytes, draw: random.Random) -> bytes:
    """Of half the queries a tenth in small letters."""
    if draw.random() >= _SHARE_SOFT_MASKED:
        return sequence
    start, end = len(sequence) // 5, len(sequence) // 5 + len(sequence) // 10
    return sequence[:start] + sequence[start:end].lower() + sequence[end:]
