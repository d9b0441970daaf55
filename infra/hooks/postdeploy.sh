#!/bin/sh
# After azd has published the app: waits until the app has its roles, then subscribes it to storage's events. Safe to repeat.
set -eu
cd "$(dirname "$0")/../.."
hook=postdeploy
. infra/hooks/common.sh

programs az curl
variables AZURE_RESOURCE_GROUP DEPLOYED_FUNCTION_APP DEPLOYED_URL DEPLOYED_SYSTEM_TOPIC DEPLOYED_DATA_CONTAINER \
    DEPLOYED_HIERARCHICAL_NAMESPACE DEPLOYED_HOST_ACCOUNT DEPLOYED_DEAD_LETTER_CONTAINER DEPLOYED_EVENTS_IDENTITY_ID

app() {
    az functionapp "$@" --resource-group "$AZURE_RESOURCE_GROUP" --name "$DEPLOYED_FUNCTION_APP" --only-show-errors
}

# curl reads the key from a file: a command line is visible to others.
ready() {
    printf 'header = "x-functions-key: %s"\n' "$(app keys list --query functionKeys.default --output tsv)" >"$scratch/key"
    curl --silent --show-error --fail-with-body --max-time 60 --config "$scratch/key" "$DEPLOYED_URL/api/health/ready"
}

subscribe() {
    az deployment group create --resource-group "$AZURE_RESOURCE_GROUP" --name events-subscription --template-file infra/events.bicep \
        --only-show-errors --output none --parameters \
        systemTopicName="$DEPLOYED_SYSTEM_TOPIC" functionAppName="$DEPLOYED_FUNCTION_APP" containerName="$DEPLOYED_DATA_CONTAINER" \
        hierarchicalNamespace="$DEPLOYED_HIERARCHICAL_NAMESPACE" hostStorageName="$DEPLOYED_HOST_ACCOUNT" \
        deadLetterContainerName="$DEPLOYED_DEAD_LETTER_CONTAINER" eventsIdentityId="$DEPLOYED_EVENTS_IDENTITY_ID"
}

if [ "${DEPLOY_AUTH:-function}" = entra ]; then
    # Readiness then asks for a token of a signed-in caller, which no hook has.
    patiently "the app" 30 curl --silent --show-error --fail-with-body --max-time 60 "$DEPLOYED_URL/api/health"
else
    patiently "the app and its roles" 90 ready
fi
patiently "the function on_blob_event" 30 app function show --function-name on_blob_event
# Event Grid asks the app for its function, and at times gets no answer yet.
patiently "the event subscription" 6 subscribe
say "ready: $DEPLOYED_URL"
