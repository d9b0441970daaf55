#!/bin/sh
# After azd has made the resources: builds the agents' image, and makes the namespace and the roles in Kubernetes. Safe to repeat.
set -eu
cd "$(dirname "$0")/../.."
hook=postprovision
. infra/hooks/common.sh

programs az kubectl kubelogin
variables AZURE_CONTAINER_REGISTRY_NAME AZURE_RESOURCE_GROUP AZURE_AKS_CLUSTER_NAME DEPLOYED_AGENT_IMAGE DEPLOYED_APP_OBJECT_ID \
    DEPLOYED_K8S_NAMESPACE

# A tag that is there stays: nodes that have pulled it would not look again.
image=${DEPLOYED_AGENT_IMAGE#*/}
if az acr repository show --name "$AZURE_CONTAINER_REGISTRY_NAME" --image "$image" --only-show-errors >/dev/null 2>&1; then
    say "the registry has $image"
else
    say "building $image in the registry (some minutes)"
    # The registry takes the whole folder that it is given, and knows only a .dockerignore at its root.
    mkdir "$scratch/context"
    cp -R shared warmer "$scratch/context/"
    (cd "$scratch/context" && az acr build --registry "$AZURE_CONTAINER_REGISTRY_NAME" --image "$image" \
        --file warmer/Dockerfile --only-show-errors .)
fi

# A file of its own: the person's kubeconfig stays as it is.
KUBECONFIG="$scratch/kubeconfig"
export KUBECONFIG
az aks get-credentials --resource-group "$AZURE_RESOURCE_GROUP" --name "$AZURE_AKS_CLUSTER_NAME" --file "$KUBECONFIG" --only-show-errors
kubelogin convert-kubeconfig --login azurecli --kubeconfig "$KUBECONFIG"
sed -E -e "s/SHARDWARM_APP_OBJECT_ID/$DEPLOYED_APP_OBJECT_ID/" \
    -e "s/^( *name(space)?): shardwarm\$/\1: $DEPLOYED_K8S_NAMESPACE/" infra/kubernetes/rbac.yaml >"$scratch/rbac.yaml"
patiently "the right to apply rbac.yaml" 30 kubectl apply --server-side --filename "$scratch/rbac.yaml"
say "image, namespace and roles are there"
