"""No secret leaves the app, whatever text surrounds it; text that holds none is left as it is (contract 1.12)."""

import base64
import json
import random
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.sanitise import LIMIT, sanitise, sanitised_line

# None of these opens anything: they are made up, in the forms that real ones have.
SIGNATURE = "qTz7Kd0aWm%2Fx3Vb5n8Lp2Rs6Yc9Ef1Gh4Jk7Mo0Qr%3D"
KEY = base64.b64encode(random.Random(1).randbytes(64)).decode()
SHARED_KEY = base64.b64encode(random.Random(2).randbytes(32)).decode()
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzaGFyZHdhcm0ifQ.c2lnbmF0dXJlLW9mLXRoaXMtdG9rZW4_x-y"
OPAQUE = "ya29.a0AfH6SMBx-opaque_token~1234567890"
CLIENT_SECRET = "Xy8Q~abcDEF.ghiJKL_mnoPQR-stu1234"
FUNCTION_KEY = "k3yOfAFunction-0123456789_AzFuAbCd=="
PASSWORD = "hunter2hunter2"
GUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"

PLANTED = {
    "a SAS URL": (f"https://elbstg01.blob.core.windows.net/blast-db/x?sv=2024-11-04&ss=b&sig={SIGNATURE}&se=2026", SIGNATURE),
    "a SAS token": (f"sv=2024-11-04&sr=c&sig={SIGNATURE}", SIGNATURE),
    "a SAS URL within a URL": (f"url=https%3A%2F%2Fx%3Fsv%3D2024%26sig%3D{SIGNATURE}", SIGNATURE),
    "an account key": (f"AccountKey={KEY}", KEY),
    "a connection string": (
        f"DefaultEndpointsProtocol=https;AccountName=elbstg01;AccountKey={KEY};EndpointSuffix=core.windows.net",
        KEY,
    ),
    "a SAS connection string": (
        f"BlobEndpoint=https://x;SharedAccessSignature=sv=2024-11-04&sr=c&sig={SIGNATURE}",
        SIGNATURE,
    ),
    "a service bus connection string": (f"Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey={SHARED_KEY}", SHARED_KEY),
    "a bearer JWT": (f"Authorization: Bearer {JWT}", JWT),
    "a bearer token": (f"authorization: bearer {OPAQUE}", OPAQUE),
    "a bare JWT": (JWT, JWT),
    "a shared key header": (f"SharedKey elbstg01:{SHARED_KEY}", SHARED_KEY),
    "a client secret": (f"client_secret={CLIENT_SECRET}", CLIENT_SECRET),
    "a client secret in JSON": (json.dumps({"client_secret": CLIENT_SECRET}), CLIENT_SECRET),
    "a client secret in JSON in JSON": (json.dumps(json.dumps({"client_secret": CLIENT_SECRET})), CLIENT_SECRET),
    "a client secret in a printed dict": (str({"clientSecret": CLIENT_SECRET}), CLIENT_SECRET),
    "an access token in JSON": (json.dumps({"access_token": OPAQUE}), OPAQUE),
    "a function key in a URL": (f"https://x.azurewebsites.net/api/y?code={FUNCTION_KEY}", FUNCTION_KEY),
    "a password": (f"password={PASSWORD}", PASSWORD),
    "a password in a printed dict": (str({"password": PASSWORD}), PASSWORD),
    "a password in words": (f"the password {PASSWORD}", PASSWORD),
    "a bare key": (KEY, KEY),
    "a GUID": (GUID, GUID),
    "a GUID in a name": (f"rg_{GUID}_x", GUID),
}
every_planted = pytest.mark.parametrize(("planted", "secret"), PLANTED.values(), ids=PLANTED)


# Each rule


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("GET https://x/y?sv=1&sig=abc&se=2 failed", "GET https://x/y?<sas-redacted> failed"),
        ("<a href='https://x/y?SIG=abc'>", "<a href='https://x/y?<sas-redacted>'>"),
        ("sv=1&sig=abc&se=2", "sv=1&sig=<redacted>&se=2"),
        (f"Bearer {OPAQUE}, then", "Bearer <redacted>, then"),
        (f"AccountKey={KEY};X=1", "AccountKey=<redacted>;X=1"),
        ("access_key: 12345678", "access_key: <redacted>"),
        ('{"account_key": "12345678", "x": 1}', '{"account_key": "<redacted>", "x": 1}'),
        ("https://x/api/y?code=12345678&z=1", "https://x/api/y?code=<redacted>&z=1"),
        ("password: hunter2hunter2 given", "password: <redacted> given"),
        ("secret 12345678", "secret <redacted>"),
        ("the token password hunter2hunter2 given", "the token <redacted> given"),
        (f"{JWT} expired", "<redacted> expired"),
        (f"key {SHARED_KEY} used", "key <redacted> used"),
        (f"subscription {GUID}.", "subscription 3f2504e0…."),
        (f"{GUID}/{GUID.upper()}", "3f2504e0…/3F2504E0…"),
    ],
)
def test_each_rule_takes_its_secret_and_nothing_else(text, expected):
    assert sanitise(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "'core_nt' lacks the sequence file (.nsq) of core_nt.07. Upload it, or wait until the upload is complete.",
        "Is it there? The design= and assign= words stay.",
        "https://elbstg01.blob.core.windows.net/blast-db/10shards/core_nt_shard_00/core_nt_shard_00.nal?comp=list",
        "Bearer short",
        "pwd=short",
        "token none given, token: none, tokens expired long ago",
        "shard-core-nt-1f3a5b7c9d0e2f4a-7",
        "TITLE core_nt_shard_03 DBLIST /blast/blastdb/core_nt.27 /blast/blastdb/core_nt.28",
        "0x8DC1A2B3C4D5E6F",
        "2026-03-01T12:00:00+00:00",
    ],
)
def test_text_without_secrets_is_left_as_it_is(text):
    assert sanitise(text) == text


@given(st.text("ACGTNacgtn", max_size=400) | st.text("ACDEFGHIKLMNPQRSTVWYBXZUOJ*", max_size=400))
def test_law_dna_and_protein_text_is_left_as_it_is(sequence):
    lines = "\n".join(sequence[start : start + 60] for start in range(0, len(sequence), 60))

    assert sanitise(sequence) == sequence
    assert sanitise(f">seq1 a title\n{lines}\n") == f">seq1 a title\n{lines}\n"


# Whatever surrounds a secret

fragments = st.one_of(
    st.text(max_size=12),
    st.text(string.ascii_letters + string.digits + "+/=_-. \"'\\<>?&;:%", max_size=12),
    st.sampled_from([
        *(planted for planted, _ in PLANTED.values()),
        "\x1b[31m", "\x1b", "[0m", "<redacted>", "?<sas-redacted>", "token ", "token=", 'token: "', "password ", "secret", "pwd ",
        "sig=", "?", "&", "Bearer ", "AccountKey=", "client_secret=", "?code=", "eyJ", "3f2504e0-4f89-", "A" * 40, "1" * 30, "\n",
    ]),
)  # fmt: skip
surroundings = st.lists(fragments, max_size=4).map("".join)


@every_planted
@given(before=surroundings, after=surroundings)
@example(before="x", after="x")
@example(before="_", after="_")
@example(before="0", after="0")
@example(before="token ", after="")
@example(before="token=<redacted>", after="")
@example(before='token: "', after='"')
def test_law_a_secret_survives_in_no_surroundings(planted, secret, before, after):
    # What surrounds it may repeat a part of the secret by chance, never the whole.
    assert secret not in sanitise(before + planted + after)


@given(surroundings | st.lists(fragments, max_size=10).map("".join))
@example("\x1b\x1b[0m[0m")
@example('token: "hunter2hunter2"')
@example(f"{GUID}pwd hunter2hunter2")
@example(f"{GUID}{KEY}")
@example("token password hunter2hunter2")
def test_law_sanitising_twice_is_sanitising_once(text):
    once = sanitise(text)

    assert sanitise(once) == once


@pytest.mark.parametrize(
    "unit", ["\x1b[", "\x1b", "?", "?sig", "token ", "eyJaaaaaaaa", "eyJaaaaaaaa.", "A", "Bearer ", "=", "' "]
)
@pytest.mark.timeout(120)  # A pattern that tries every way to match would need hours; a busy machine needs seconds.
def test_long_text_comes_to_an_end(unit):
    sanitise(unit * (100_000 // len(unit)))


# One line for a person


@every_planted
def test_a_line_is_cut_after_it_was_masked(planted, secret):
    for room in range(1, len(planted)):
        for text in (f"{'x' * (LIMIT - room - 1)} {planted}", f"{'x' * (200 - room)} {planted} {'x' * LIMIT}"):
            line = sanitised_line(text)
            assert len(line) <= LIMIT
            assert longest_common(line, secret) < 12


def longest_common(line, secret):
    """How many of the secret's first characters the line still has."""
    return next((size for size in range(len(secret), 0, -1) if secret[:size] in line), 0)


def test_a_line_has_no_line_breaks():
    assert sanitised_line("  one\r\n\ttwo\n") == "one two"


def test_a_short_line_is_not_cut_and_a_long_one_keeps_its_beginning_and_what_it_says_last():
    assert LIMIT == 300
    assert sanitised_line("x y" * 100) == "x y" * 100
    said = f"BLAST Database error: {'volume, ' * 60}No such file or directory"
    assert sanitised_line(said) == f"{said[:200]}…{said[-99:]}"
    assert sanitised_line("one two three", 8) == "one t…ee"
