"""What is promised of the settings: each default, what a wrong value says, and that their three lists agree."""

import json
import re
from pathlib import Path

import pytest
from annotated_types import Le
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Code, Misconfigured
from shared.inputs import callback_to, retry_of
from shared.runs.callbacks import Callback
from shared.runs.payload import RetryOptions
from shared.runs.shard.payloads import ShardRun
from shared.settings import Settings, parse
from warmer.settings import AgentSettings
from warmer.settings import parse as parse_agents

ROOT = Path(__file__).parents[2]
SECRET = "DoNotRepeatThisValue"
NAMES = {f"SHARDWARM_{name.upper()}" for name in Settings.model_fields}
BY_KUBERNETES = {"node_name", "pod_name", "pod_namespace", "kubernetes_service_host", "kubernetes_service_port"}
AGENTS = {f"SHARDWARM_{name.upper()}": name for name in AgentSettings.model_fields if name not in BY_KUBERNETES}


def refused(environment):
    with pytest.raises(Misconfigured) as caught:
        parse(environment)
    return caught.value.problem


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("accounts", ()),
        ("clusters", ()),
        ("auth", "function"),
        ("container", "blast-db"),
        ("blob_suffix", "core.windows.net"),
        ("blob_connection", ()),
        ("client_id", None),
        ("presets", (1, 2, 3, 4, 5, 6, 8, 10)),
        ("alias_form", "statistics"),
        ("identify", "on"),
        ("lease_seconds", 1800.0),
        ("retry_attempts", 5),
        ("retry_first_seconds", 1.0),
        ("retry_longest_seconds", 30.0),
        ("storage_concurrency", 128),
        ("storage_timeout_seconds", 20.0),
        ("upload_events", "on"),
        ("upload_quiet_seconds", 60.0),
        ("upload_give_up_seconds", 21600.0),
        ("namespace", "shardwarm"),
        ("warmer_image", "shardwarm-warmer:0.1.0"),
        ("warmer_client_id", None),
        ("warmer_sas_secret", None),
        ("warmer_environment", ()),
        ("warmer_tolerations", (("kubernetes.azure.com/scalesetpriority", "spot", "NoSchedule"),)),
        ("warmer_architectures", ("amd64",)),
        ("warmer_disk", "node"),
        ("warm_lease_seconds", 10800.0),
        ("warm_deadline_seconds", 7200.0),
        ("poll_first_seconds", 5.0),
        ("poll_longest_seconds", 60.0),
        ("release_again_seconds", 900.0),
        ("arm_url", "https://management.azure.com"),
        ("arm_certificate", None),
        ("credential", None),
        ("callback_hosts", ()),
        ("callback_secret", None),
        ("callback_local", False),
        ("callback_certificate", None),
        ("callback_timeout_seconds", 10.0),
        ("callback_attempts", 10),
        ("callback_first_seconds", 5.0),
        ("callback_longest_seconds", 300.0),
        ("callback_wait_seconds", 86400.0),
        ("reconcile", "on"),
        ("reconcile_schedule", "0 */10 * * * *"),
        ("reconcile_most", 20),
        ("reconcile_ghosts", "tell"),
        ("reconcile_legacy", "keep"),
        ("reconcile_quiet_seconds", 900.0),
        ("reconcile_again_seconds", 3600.0),
        ("retention_days", 30.0),
        ("ncbi_url", "https://ncbi-blast-databases.s3.amazonaws.com"),
        ("ncbi_timeout_seconds", 30.0),
        ("copy_lanes", 8),
        ("copy_slice_seconds", 40.0),
        ("copy_block_bytes", 8388608),
        ("list_page", 5000),
    ],
)
def test_every_default_is_a_promise(name, default):
    assert getattr(parse({}), name) == default


def test_no_default_is_unpromised():
    (marker,) = (mark for mark in test_every_default_is_a_promise.pytestmark if mark.name == "parametrize")

    assert [name for name, _ in marker.args[1]] == list(Settings.model_fields)


def test_every_field_says_what_it_means_and_a_duration_says_its_unit():
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert not name.endswith("_seconds") or "seconds" in field.description, name


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("ACCOUNTS", "one, two ,,three", ("one", "two", "three")),
        ("ACCOUNTS", "*", ("*",)),
        ("CLUSTERS", "aks1", ("aks1",)),
        ("AUTH", "function", "function"),
        ("PRESETS", "10, 2,2,1", (1, 2, 10)),
        ("PRESETS", "32", (32,)),
        ("LEASE_SECONDS", "0.5", 0.5),
        ("RETRY_ATTEMPTS", "1", 1),
        ("WARMER_ENVIRONMENT", "A=1, B=x=y", (("A", "1"), ("B", "x=y"))),
        ("WARMER_TOLERATIONS", "a=b:NoExecute, c:NoSchedule", (("a", "b", "NoExecute"), ("c", None, "NoSchedule"))),
        ("WARMER_TOLERATIONS", "d,e=", (("d", None, None), ("e", "", None))),
        ("WARMER_ARCHITECTURES", "amd64,arm64", ("amd64", "arm64")),
        ("CALLBACK_HOSTS", "Hooks.Example.org, b", ("hooks.example.org", "b")),
        ("CALLBACK_SECRET", "0123456789abcdef", "0123456789abcdef"),
        ("CALLBACK_LOCAL", "true", True),
        ("LIST_PAGE", "2", 2),
        ("BLOB_CONNECTION", "AccountName=a;AccountKey=b==,AccountName=c", ("AccountName=a;AccountKey=b==", "AccountName=c")),
    ],
)
def test_a_value_is_read_from_text(variable, text, value):
    assert getattr(parse({f"SHARDWARM_{variable}": text}), variable.lower()) == value


def test_roles_count_only_behind_the_platforms_authentication():
    assert parse({"SHARDWARM_AUTH": "entra", "WEBSITE_AUTH_ENABLED": "True"}).auth == "entra"
    for off in ({}, {"WEBSITE_AUTH_ENABLED": "False"}, {"WEBSITE_AUTH_ENABLED": ""}):
        with pytest.raises(Misconfigured, match="Any caller could claim a role"):
            parse({"SHARDWARM_AUTH": "entra", **off})


def test_an_empty_value_counts_as_absent():
    assert parse(dict.fromkeys(NAMES, "")) == parse({})


def test_other_peoples_variables_are_passed_over():
    assert parse({"PATH": "/bin", "MY_SHARDWARM_ACCOUNTS": "x", "AzureWebJobsStorage": "x"}) == parse({})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("AUTH", SECRET),
        ("ALIAS_FORM", SECRET),
        ("PRESETS", SECRET),
        ("PRESETS", "0"),
        ("PRESETS", "33"),
        ("PRESETS", "1,1.5"),
        ("PRESETS", ","),
        ("LEASE_SECONDS", SECRET),
        ("LEASE_SECONDS", "0"),
        ("LEASE_SECONDS", "-1"),
        ("LEASE_SECONDS", "nan"),
        ("LEASE_SECONDS", "inf"),
        ("RETRY_ATTEMPTS", "0"),
        ("RETRY_ATTEMPTS", "2.5"),
        ("RETRY_FIRST_SECONDS", "0"),
        ("RETRY_FIRST_SECONDS", "inf"),
        ("RETRY_LONGEST_SECONDS", SECRET),
        ("RETRY_LONGEST_SECONDS", "inf"),
        ("STORAGE_CONCURRENCY", "0"),
        ("STORAGE_TIMEOUT_SECONDS", "0"),
        ("STORAGE_TIMEOUT_SECONDS", "inf"),
        ("CALLBACK_SECRET", SECRET[:15]),
        ("CALLBACK_LOCAL", SECRET),
        ("CALLBACK_TIMEOUT_SECONDS", "51"),
        ("CALLBACK_ATTEMPTS", "0"),
        ("CALLBACK_ATTEMPTS", "51"),
        ("CALLBACK_WAIT_SECONDS", "inf"),
        ("BLOB_CONNECTION", f"BlobEndpoint=http://127.0.0.1:10000/{SECRET}"),
        ("BLOB_CONNECTION", f"AccountName=a,AccountName=;AccountKey={SECRET}"),
        ("BLOB_CONNECTION", "UseDevelopmentStorage=true"),
        ("WARMER_TOLERATIONS", f"a=b:{SECRET}"),
        ("WARMER_TOLERATIONS", "=b:NoSchedule"),
        ("LIST_PAGE", "5001"),
        ("LIST_PAGE", "0"),
    ],
)
def test_a_wrong_value_names_the_variable_and_not_the_value(variable, text):
    problem = refused({f"SHARDWARM_{variable}": text})

    assert problem.code is Code.MISCONFIGURED
    assert f"SHARDWARM_{variable}:" in problem.message
    assert SECRET not in problem.message
    assert "docs/settings.md" in problem.message


def test_connection_strings_are_found_by_their_accounts():
    texts = "AccountKey=k==;accountname= a ;,AccountName=b;EndpointSuffix=core.windows.net"

    found = parse({"SHARDWARM_BLOB_CONNECTION": texts}).connections

    assert found == {"a": "AccountKey=k==;accountname= a ;", "b": "AccountName=b;EndpointSuffix=core.windows.net"}


def test_every_wrong_value_is_named_at_once():
    message = refused({"SHARDWARM_AUTH": SECRET, "SHARDWARM_LIST_PAGE": SECRET}).message

    assert "SHARDWARM_AUTH:" in message
    assert "SHARDWARM_LIST_PAGE:" in message


@pytest.mark.parametrize("name", ["SHARDWARM_ACCOUNT", "SHARDWARM_", "SHARDWARM_PRESETS_", "SHARDWARM_RETRY"])
def test_an_unknown_name_is_refused_as_a_typo(name):
    problem = refused({name: SECRET})

    assert name in problem.message
    assert SECRET not in problem.message


@given(variable=st.sampled_from(sorted(NAMES)), text=st.text(max_size=20))
def test_law_any_value_is_accepted_or_refused_by_name(variable, text):
    message = ""
    try:
        parse({variable: text})
    except Misconfigured as refusal:
        message = refusal.problem.message

    assert not message or variable in message


def test_settings_cannot_be_changed_once_they_are_read():
    with pytest.raises(ValueError, match="frozen"):
        parse({}).presets = (1,)


def test_the_retry_settings_travel_in_a_runs_input():
    environment = {
        "SHARDWARM_RETRY_ATTEMPTS": "2",
        "SHARDWARM_RETRY_FIRST_SECONDS": "0.01",
        "SHARDWARM_RETRY_LONGEST_SECONDS": "0.02",
    }

    assert retry_of(parse(environment)) == RetryOptions(attempts=2, first_seconds=0.01, longest_seconds=0.02)


def test_a_default_is_written_once_and_a_run_without_steering_follows_the_same():
    run = ShardRun(run="r", number=1, account="a", db="d", presets=(1,))

    assert retry_of(parse({})) == run.retry
    assert parse({}).lease_seconds == run.lease_seconds
    assert callback_to(parse({}), "https://hooks.example.org/") == Callback(url="https://hooks.example.org/")


# The other two lists


def documented(section="Settings"):
    """Name to (default, meaning) of the rows of a section's table in docs/settings.md, which a blank line ends."""
    text = re.split(rf"^#+ {section}$", (ROOT / "docs/settings.md").read_text(), flags=re.MULTILINE)[1]
    table = text[text.index("|---|") :].split("\n\n")[0]
    rows = re.findall(r"^\| `(SHARDWARM_\w+)` \| (.+?) \| (.+?) \|$", table, re.MULTILINE)
    return {name: (default, meaning) for name, default, meaning in rows}


def example():
    return json.loads((ROOT / "local.settings.json.example").read_text())["Values"]


def test_the_documentation_lists_exactly_the_settings_there_are():
    assert list(documented()) == [f"SHARDWARM_{name.upper()}" for name in Settings.model_fields]
    assert set(re.findall(r"SHARDWARM_\w+", (ROOT / "docs/settings.md").read_text())) - {"SHARDWARM_"} == NAMES | set(AGENTS)


def test_the_documentation_says_of_each_setting_what_the_code_says():
    for name, field in Settings.model_fields.items():
        default, meaning = documented()[f"SHARDWARM_{name.upper()}"]
        assert meaning == field.description
        given = {} if default == "none" else {f"SHARDWARM_{name.upper()}": default.strip("`")}
        assert getattr(parse(given), name) == field.default
        assert (default == "none") == (not field.default)


def test_an_upper_bound_is_told():
    bounded = {
        name: bound.le for name, field in Settings.model_fields.items() for bound in field.metadata if isinstance(bound, Le)
    }

    assert bounded
    for name, bound in bounded.items():
        assert f"{int(bound):,}" in Settings.model_fields[name].description, name
        refused({f"SHARDWARM_{name.upper()}": str(int(bound) + 1)})


def test_the_documentation_lists_exactly_the_agents_settings_with_their_defaults_and_meanings():
    rows = documented("Settings of the node agents")

    assert list(rows) == list(AGENTS)
    for variable, name in AGENTS.items():
        default, meaning = rows[variable]
        field = AgentSettings.model_fields[name]
        assert meaning == field.description
        given = {} if default == "none" else {variable: default.strip("`")}
        assert getattr(parse_agents({"NODE_NAME": "n", **given}), name) == field.default
        assert (default == "none") == (not str(field.default))


def test_pairs_reach_the_agents_as_the_documentation_writes_them():
    (line,) = re.findall(r"^SHARDWARM_WARMER_ENVIRONMENT=(.+)$", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)

    pairs = dict(parse({"SHARDWARM_WARMER_ENVIRONMENT": line}).warmer_environment)

    assert set(pairs) <= set(AGENTS)
    parsed = parse_agents({"NODE_NAME": "n", **pairs})
    assert (parsed.download_concurrency, parsed.forbidden_seconds) == (32, 600)


def test_the_example_lists_exactly_the_settings_there_are():
    assert {name for name in example() if name.startswith("SHARDWARM_")} == NAMES


def test_the_example_is_accepted_as_it_is():
    parse({name: value for name, value in example().items() if isinstance(value, str)})
