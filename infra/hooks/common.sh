# What both hooks use. azd gives hooks the outputs of main.bicep as environment variables.

say() { printf 'shardwarm: %s\n' "$1"; }

fail() {
    printf 'shardwarm: %s\n' "$1" >&2
    exit 1
}

# Programs that must be there, with a word on where they come from.
programs() {
    for program in "$@"; do
        command -v "$program" >/dev/null || fail "$program is missing. az aks install-cli installs kubectl and kubelogin."
    done
}

# Variables that must have a value.
variables() {
    for variable in "$@"; do
        eval "value=\${$variable:-}"
        [ -n "$value" ] || fail "$variable is not set. Run this by azd, or after: set -a && eval \"\$(azd env get-values)\""
    done
}

# Runs a command until it succeeds, so many times at most, with pauses: roles take minutes to have an effect.
# The first argument says what is waited for.
patiently() {
    what=$1
    attempts=$2
    shift 2
    attempt=1
    until "$@" >"$scratch/answer" 2>&1; do
        if [ "$attempt" -ge "$attempts" ]; then
            cat "$scratch/answer" >&2
            fail "gave up on $what after $attempts attempts. The last answer stands above; run 'azd hooks run $hook' to go on."
        fi
        say "waiting for $what ($attempt of $attempts)"
        attempt=$((attempt + 1))
        sleep "${HOOK_PAUSE_SECONDS:-20}"
    done
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
