"""Where callbacks may go, what an answer means, and how a receiver verifies that a post is ours."""

import base64
import hmac
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Code
from shared.runs.callbacks import (
    LONGEST_URL,
    CallbackRules,
    CallbackState,
    former_signature,
    is_public,
    judged,
    refusal,
    signature,
    signing_key,
)
from shared.runs.operations import callback_of
from tests.domain.test_operations import run_state

RULES = CallbackRules(hosts=("hooks.example.org",), has_secret=True, local=False)
ANYWHERE = RULES._replace(hosts=("*",))
LOCAL = ANYWHERE._replace(local=True)

ALLOWED = [
    "https://hooks.example.org",
    "https://hooks.example.org/",
    "https://HOOKS.example.org:8443/a/b-c_d~e/%20/x=1;y,@z",
    "https://hooks.example.org/" + "a" * (LONGEST_URL - 26),
]
REFUSED = [
    "http://hooks.example.org/",
    "https://hooks.example.org./",
    "https://hooks.example.org.evil.example/",
    "https://evil.example/hooks.example.org",
    "https://hooks.example.org@evil.example/",
    "https://evil.example\\@hooks.example.org/",
    "https://user:word@hooks.example.org/",
    "https://hooks.example.org/?sig=x",
    "https://hooks.example.org/#x",
    "https://hooks.example.org:0/",
    "https://hooks.example.org:65536/",
    "https://hooks.example.org:/",
    "https:///x",
    "https:hooks.example.org",
    "HTTPS//hooks.example.org",
    "https://hooks.example.org/\n",
    "https://hooks.example.org/ü",
    "https://hooks.example.org/" + "a" * (LONGEST_URL - 25),
]
PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001:0:1::1",
    "2002:7f00:1::",
    "fc00::1",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
]


@pytest.mark.parametrize("url", ALLOWED)
def test_an_address_at_an_allowed_host_may_be_posted_to(url):
    assert refusal(url, RULES) is None


@pytest.mark.parametrize("url", REFUSED)
def test_anything_else_is_refused_with_the_field_named(url):
    problem = refusal(url, RULES)

    assert (problem.code, problem.target) == (Code.CALLBACK_NOT_ALLOWED, "callback_url")
    assert problem.message.endswith(".")


@given(st.text())
def test_no_text_is_taken_for_a_url_of_an_allowed_host_unless_it_begins_with_it(text):
    assert refusal(text, RULES) is not None or text.lower().startswith("https://hooks.example.org")


@pytest.mark.parametrize("rules", [RULES._replace(hosts=()), RULES._replace(has_secret=False)])
def test_nothing_may_be_posted_while_callbacks_are_turned_off(rules):
    assert "turned off" in refusal(ALLOWED[0], rules).message


def test_every_host_is_allowed_only_if_that_is_written_out():
    assert refusal("https://evil.example/", ANYWHERE) is None
    assert refusal("https://evil.example/", RULES._replace(hosts=("*.example",))) is not None


def test_only_local_work_goes_over_http_and_to_private_numbers():
    for url in ("http://hooks.example.org/", "https://127.0.0.1/", "https://169.254.169.254/"):
        assert refusal(url, ANYWHERE) is not None
        assert refusal(url, LOCAL) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_this_machine_its_networks_or_its_platform_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "20.60.1.1", "2606:4700::1111", "64:ff9b::1.1.1.1", "::ffff:8.8.8.8"])
def test_an_address_of_somebody_out_there_is_public(address):
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_no_more_public_than_the_one_that_it_stands_for(address):
    mapped, translated = (IPv6Address(int(ip_address(base)) + int(address)) for base in ("::ffff:0:0", "64:ff9b::"))

    assert is_public(str(mapped)) == is_public(str(translated)) == is_public(str(address))
    assert not is_public(str(address)) or IPv4Address(address).is_global


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, "delivered") for status in (200, 204, 299)),
        *((status, "refused") for status in (199, 302, 400, 404, 410)),
        *((status, "failed") for status in (408, 425, 429, 500, 503, 599)),
    ],
)
def test_an_answer_is_final_or_worth_another_try(status, outcome):
    posted = judged(status)

    assert (posted.outcome, posted.status_code) == (outcome, status)
    assert (posted.problem is None) == (outcome == "delivered")


def test_the_former_signature_is_what_the_manual_says():
    expected = hmac.new(b"a secret", b'1700000000.{"id":"x"}', "sha256").hexdigest()

    assert former_signature("a secret", "1700000000", b'{"id":"x"}') == f"v1={expected}"


def test_the_signature_is_that_of_the_standards_own_libraries():
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'

    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_plain_text_signs_as_its_base64_does_in_the_standards_form():
    plain = "a-secret-of-twenty-four-or-more"
    same = "whsec_" + base64.b64encode(plain.encode()).decode()

    assert signature(plain, "id", "1", b"{}") == signature(same, "id", "1", b"{}")


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64", "whsec_" + "A" * 28, "whsec_" + "A" * 88])
def test_a_secret_that_only_begins_like_one_of_the_standard_is_refused(secret):
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        signing_key(secret)


@given(st.binary(), st.binary())
def test_another_body_has_another_signature(one, other):
    assert (signature("a secret", "id", "1", one) == signature("a secret", "id", "1", other)) == (one == other)


def test_a_callback_that_has_not_begun_is_waiting_and_one_that_has_says_how_far_it_is():
    state = CallbackState(phase="posting", tries=2, status_code=503)
    begun = run_state("RUNNING", custom_status=state.model_dump(mode="json"))

    assert callback_of(None) == CallbackState(phase="waiting")
    assert callback_of(run_state("RUNNING")) == CallbackState(phase="waiting")
    assert callback_of(begun) == state
