// The identities: one for each actor, so that each gets only its own roles. Nothing in the deployment has a key or a password.
targetScope = 'resourceGroup'

@description('Region of the identities.')
param location string

@description('Beginning of every identity\'s name.')
param namePrefix string

@description('End of every identity\'s name.')
param resourceToken string

@description('Tags of every resource.')
param tags object

@description('The app: its host, its databases, its cluster.')
resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${namePrefix}app-${resourceToken}'
  location: location
  tags: tags
}

@description('The node agents, which read databases.')
resource agent 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${namePrefix}agent-${resourceToken}'
  location: location
  tags: tags
}

@description('The topic of storage\'s events, which stores the events that it cannot deliver.')
resource events 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${namePrefix}events-${resourceToken}'
  location: location
  tags: tags
}

@description('The cluster\'s control plane. An identity of our own can have its roles before the cluster exists.')
resource cluster 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${namePrefix}cluster-${resourceToken}'
  location: location
  tags: tags
}

@description('The kubelets, which pull images. An identity of our own can have its roles before the cluster exists.')
resource kubelet 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${namePrefix}kubelet-${resourceToken}'
  location: location
  tags: tags
}

@description('Resource id of the app\'s identity.')
output appId string = app.id

@description('Client id of the app\'s identity.')
output appClientId string = app.properties.clientId

@description('Object id of the app\'s identity. Kubernetes knows the app by it.')
output appPrincipalId string = app.properties.principalId

@description('Name of the agents\' identity.')
output agentName string = agent.name

@description('Client id of the agents\' identity.')
output agentClientId string = agent.properties.clientId

@description('Object id of the agents\' identity.')
output agentPrincipalId string = agent.properties.principalId

@description('Resource id of the topic\'s identity.')
output eventsId string = events.id

@description('Object id of the topic\'s identity.')
output eventsPrincipalId string = events.properties.principalId

@description('Resource id of the control plane\'s identity.')
output clusterId string = cluster.id

@description('Object id of the control plane\'s identity.')
output clusterPrincipalId string = cluster.properties.principalId

@description('Name of the kubelets\' identity.')
output kubeletName string = kubelet.name

@description('Resource id of the kubelets\' identity.')
output kubeletId string = kubelet.id

@description('Client id of the kubelets\' identity.')
output kubeletClientId string = kubelet.properties.clientId

@description('Object id of the kubelets\' identity.')
output kubeletPrincipalId string = kubelet.properties.principalId
