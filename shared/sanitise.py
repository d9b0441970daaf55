"""Redacts secrets in text that leaves the app: HTTP bodies, metadata, custom status, logs. Rules: contract 1.12.

Sanitise a text before you cut it: a token that was cut in half is no longer recognised. Plain DNA and protein text passes
unchanged.
"""

import re

LIMIT = 300
"""The longest error text that is stored or returned, in characters."""

_QUOTES = r"[\\\"']*+"  # also those of JSON within JSON; possessive, or `"<redacted>` would be taken for a value
_EQUALS = rf"{_QUOTES}\s*+[=:]\s*+{_QUOTES}"
_LABELS = ("password", "passwd", "pwd", "secret", "token")
_LABEL = "|".join(_LABELS)
# Where a value ends with a label or a separator, the value that follows it is redacted too.
_INTRODUCES = "|".join(f"(?<={end})" for end in (*_LABELS, "[=:]"))
_VALUE = rf"(?!<redacted>)\S{{8,}}(?:(?:{_INTRODUCES})\s+\S+)*"

_QUERY = re.compile(r"\?[^\s\"'<>]*")
_SIGNATURE = re.compile(r"sig(=|%3D)", re.IGNORECASE)
# No rule asks for a word boundary where a secret may follow other text immediately. The order matters: no rule may leave text
# that an earlier rule would match, so that sanitising twice equals sanitising once.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"sig(=|%3D)[^&\s\"'<>]+", re.IGNORECASE), r"sig\1<redacted>"),
    (re.compile(r"Bearer\s+[A-Za-z0-9._~+/=-]{20,}", re.IGNORECASE), "Bearer <redacted>"),
    (
        re.compile(
            r"((?:account|access)[_-]?key|SharedAccessSignature|client[_-]?secret)"
            rf"({_EQUALS})[^\s;&\"'\\]{{8,}}",
            re.IGNORECASE,
        ),
        r"\1\2<redacted>",
    ),
    (re.compile(r"([?&]code=)[^&\s\"'<>]{8,}", re.IGNORECASE), r"\1<redacted>"),
    (re.compile(rf"({_LABEL})({_EQUALS}){_VALUE}", re.IGNORECASE), r"\1\2<redacted>"),
    (re.compile(rf"\b({_LABEL})(\s++){_VALUE}", re.IGNORECASE), r"\1\2<redacted>"),
    (re.compile(r"(?:eyJ[A-Za-z0-9_-]{8,}+\.){1,2}[A-Za-z0-9_.-]*"), "<redacted>"),
    (re.compile(r"(?<![A-Za-z0-9+/])(?=[A-Za-z0-9+/]*[0-9+/])[A-Za-z0-9+/]{40,}={0,2}"), "<redacted>"),
)
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~])?")
_GUID = re.compile(r"([0-9a-fA-F]{8})(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def sanitise(text: str) -> str:
    """The text without secrets and without full GUIDs; safe to repeat. Its length is not limited here."""
    text = _GUID.sub(r"\1…", _ESCAPE.sub("", text))
    text = _QUERY.sub(lambda query: "?<sas-redacted>" if _SIGNATURE.search(query[0]) else query[0], text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def sanitised_line(text: str, limit: int = LIMIT) -> str:
    """One line for a person: sanitised, white space folded, then shortened."""
    return shortened(" ".join(sanitise(text).split()), limit)


def shortened(text: str, limit: int) -> str:
    """The text in at most `limit` characters: a long one loses its middle, for which '…' stands.

    It begins with what failed and ends with the cause or the remedy; programs say last what means most.
    """
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"
