"""Real databases, made by makeblastdb, and what BLAST's own programs say of them."""

import random
import re
import subprocess

LETTERS = {"nucl": "ACGT", "prot": "ACDEFGHIKLMNPQRSTVWY"}


def fasta(sequences, *, molecule="nucl", length=60, name=None) -> str:
    """Some sequences, of lengths that differ; `name` makes the identifier from the sequence's number."""
    chance = random.Random(sequences)
    named = name or (lambda number: f"s{number}")
    lines = (
        f">{named(number)} subject\n{''.join(chance.choices(LETTERS[molecule], k=length + number))}\n"
        for number in range(sequences)
    )
    return "".join(lines)


def makeblastdb(folder, text, *options, out="db", molecule=None):
    """Make a database in a new folder below this one, which is returned. Its type is told by the letters."""
    kind = molecule or ("prot" if set("".join(text.splitlines()[1::2]).upper()) - set("ACGT") else "nucl")
    (folder / "subjects").write_text(text)
    made = folder / f"made_{out}"
    made.mkdir(exist_ok=True)
    command = ["makeblastdb", "-in", "subjects", "-dbtype", kind, "-out", f"{made.name}/{out}", *map(str, options)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return made


def info(folder, db="db", molecule="nucl"):
    """What `blastdbcmd -info` says: sequences, letters, and the volumes' names; None when BLAST cannot open the database."""
    command = ["blastdbcmd", "-db", db, "-dbtype", molecule, "-info"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    counts = re.search(r"([\d,]+) sequences; ([\d,]+) total", done.stdout)
    if done.returncode or counts is None or "rror" in done.stderr:
        return None
    volumes = [line.rpartition("/")[2] for line in done.stdout.partition("Volumes:")[2].split()]
    return int(counts[1].replace(",", "")), int(counts[2].replace(",", "")), volumes


def entries(folder, db="db", molecule="nucl"):
    """How many sequences `blastdbcmd -entry all` lists."""
    command = ["blastdbcmd", "-db", db, "-dbtype", molecule, "-entry", "all", "-outfmt", "%s"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    return len(done.stdout.splitlines())
