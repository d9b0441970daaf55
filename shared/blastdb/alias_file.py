"""A database's own alias, `.nal` or `.pal`, read as BLAST reads it.

Lines end with CR or LF. Leading blanks are skipped, not tabs; `#` begins a comment only at the start of a line. A keyword is
upper case; of a repeated one the last counts; an unknown one says nothing. `DBLIST` holds names divided by blanks, those with
blanks in quotes. Source: `seqdbalias.cpp` and `SeqDB_SplitQuoted` of NCBI's C++ Toolkit; checked against `blastdbcmd` 2.12.
"""

import re

from pydantic import BaseModel, ConfigDict

from shared.errors import Code, Unusable

ALIAS_LIMIT_BYTES = 1024 * 1024
"""How much of an alias is read. One that names 1,024 volumes by long paths has a quarter of that."""

LIMITING = ("GILIST", "TILIST", "SEQIDLIST", "TAXIDLIST", "OIDLIST", "FIRST_OID", "LAST_OID", "MEMB_BIT")
"""Keywords that hide sequences of the volumes. `MASKLIST` hides none: it names masks that a search may ask for."""

_LINE = re.compile(r" *([^ \t\r\n]*)([^\r\n]*)")
_NAME = re.compile(r'"([^"]*)(?:"|$)|([^ "]+)')


class AliasFile(BaseModel):
    """What an alias says.

    `names` are the base names that `DBLIST` opens, volumes or other aliases, each once and without its folder.
    `sequences` and `letters` (`NSEQ`, `LENGTH`) take the place of the volumes' own counts; `stats_*` steer e-values.
    `limits` are the keywords that hide some of the sequences.
    """

    model_config = ConfigDict(frozen=True)

    title: str | None = None
    names: tuple[str, ...]
    sequences: int | None = None
    letters: int | None = None
    stats_sequences: int | None = None
    stats_letters: int | None = None
    limits: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()

    @property
    def is_limited(self) -> bool:
        """Whether the database shows fewer sequences than its volumes hold."""
        return bool(self.limits)


def parse_alias_file(leaf: str, text: bytes) -> AliasFile:
    """Read an alias.

    Raises:
        Unusable: BLAST could not open the database by it: it opens nothing, or a count is no number; or it is too long.
    """
    if len(text) > ALIAS_LIMIT_BYTES:
        raise _unreadable(leaf, f"it has more than {ALIAS_LIMIT_BYTES // 1024} KiB")
    values = _values(text.decode(errors="replace"))
    names = _names(values.get("DBLIST", ""))
    if not names:
        raise _unreadable(leaf, "it has no DBLIST that names a volume")
    return AliasFile(
        title=values.get("TITLE"),
        names=names,
        sequences=_number(leaf, values, "NSEQ"),
        letters=_number(leaf, values, "LENGTH"),
        stats_sequences=_number(leaf, values, "STATS_NSEQ"),
        stats_letters=_number(leaf, values, "STATS_TOTLEN"),
        limits=tuple(key for key in LIMITING if key in values),
        masks=_split(values.get("MASKLIST", "")),
    )


def _values(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for key, value in _LINE.findall(text):
        if key and not key.startswith("#"):
            values[key] = value.strip(" \t").replace("\t", " ")
    return values


def _split(value: str) -> tuple[str, ...]:
    return tuple(name for match in _NAME.finditer(value) if (name := match[1] or match[2]))


def _names(value: str) -> tuple[str, ...]:
    # An alias moves with its folder, and nodes keep all files in one: a path says only where the files once were.
    leaves = (re.split(r"[/\\]", name)[-1] for name in _split(value))
    return tuple(dict.fromkeys(leaf for leaf in leaves if leaf))


def _number(leaf: str, values: dict[str, str], key: str) -> int | None:
    value = values.get(key)
    if value is not None and not re.fullmatch(r"[0-9]{1,18}", value):
        raise _unreadable(leaf, f"its {key} is not a plain number")
    return None if value is None else int(value)


def _unreadable(leaf: str, why: str) -> Unusable:
    message = f"Neither the app nor BLAST can read '{leaf}': {why}. Upload it again."
    return Unusable(Code.UNREADABLE_PAPERS, message, target=leaf)
