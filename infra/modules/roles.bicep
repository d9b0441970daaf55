// Every role but those on the cluster. They come early: a role takes minutes to have an effect, and what needs it comes last.
// roles.json says who has which role where, and why.
targetScope = 'resourceGroup'

@description('Name of the host\'s storage account.')
param hostStorageName string

@description('Name of the container of events that could not be delivered.')
param deadLetterContainerName string

@description('Name of the databases\' storage account.')
param dataStorageName string

@description('Name of the container of the databases.')
param containerName string

@description('Name of the Application Insights component.')
param componentName string

@description('Name of the registry.')
param registryName string

@description('Name of the virtual network.')
param networkName string

@description('Name of the nodes\' subnet.')
param nodesSubnetName string

@description('Name of the kubelets\' identity.')
param kubeletIdentityName string

@description('Name of the scheduler; empty: the host\'s storage keeps durable state.')
param schedulerName string

@description('Name of the scheduler\'s task hub.')
param taskHubName string

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Object id of the agents\' identity.')
param agentPrincipalId string

@description('Object id of the topic\'s identity.')
param eventsPrincipalId string

@description('Object id of the control plane\'s identity.')
param clusterPrincipalId string

@description('Object id of the kubelets\' identity.')
param kubeletPrincipalId string

@description('Object id of whoever deploys; empty: nobody gets roles.')
param deployerPrincipalId string

@description('Kind of whoever deploys.')
param deployerPrincipalType string

var roles = loadJsonContent('../roles.json')

resource hostStorage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: hostStorageName

  resource blobs 'blobServices' existing = {
    name: 'default'
  }
}

resource deadLetter 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: hostStorage::blobs
  name: deadLetterContainerName
}

resource dataStorage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: dataStorageName

  resource blobs 'blobServices' existing = {
    name: 'default'
  }
}

resource databases 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: dataStorage::blobs
  name: containerName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' existing = {
  name: networkName
}

resource nodesSubnet 'Microsoft.Network/virtualNetworks/subnets@2024-07-01' existing = {
  parent: network
  name: nodesSubnetName
}

resource kubeletIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: kubeletIdentityName
}

resource scheduler 'Microsoft.DurableTask/schedulers@2025-11-01' existing = if (!empty(schedulerName)) {
  name: schedulerName
}

resource taskHub 'Microsoft.DurableTask/schedulers/taskHubs@2025-11-01' existing = if (!empty(schedulerName)) {
  parent: scheduler
  name: taskHubName
}

resource appHostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStorage
  name: guid(hostStorage.id, appPrincipalId, roles.builtIn.blobDataOwner.id)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.blobDataOwner.id)
  }
}

resource appHostQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStorage
  name: guid(hostStorage.id, appPrincipalId, roles.builtIn.queueDataContributor.id)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.queueDataContributor.id)
  }
}

resource appHostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hostStorage
  name: guid(hostStorage.id, appPrincipalId, roles.builtIn.tableDataContributor.id)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.tableDataContributor.id)
  }
}

resource appDatabases 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: databases
  name: guid(databases.id, appPrincipalId, roles.builtIn.blobDataContributor.id)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.blobDataContributor.id)
  }
}

resource appTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: component
  name: guid(component.id, appPrincipalId, roles.builtIn.metricsPublisher.id)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.metricsPublisher.id)
  }
}

resource appTaskHub 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(schedulerName)) {
  scope: taskHub
  name: guid(taskHub.id, appPrincipalId, roles.builtIn.durableTaskDataContributor.id)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.durableTaskDataContributor.id)
  }
}

resource agentDatabases 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: databases
  name: guid(databases.id, agentPrincipalId, roles.builtIn.blobDataReader.id)
  properties: {
    principalId: agentPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.blobDataReader.id)
  }
}

resource eventsDeadLetter 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: deadLetter
  name: guid(deadLetter.id, eventsPrincipalId, roles.builtIn.blobDataContributor.id)
  properties: {
    principalId: eventsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.blobDataContributor.id)
  }
}

resource clusterNodesSubnet 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: nodesSubnet
  name: guid(nodesSubnet.id, clusterPrincipalId, roles.builtIn.networkContributor.id)
  properties: {
    principalId: clusterPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.networkContributor.id)
  }
}

resource clusterKubelet 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: kubeletIdentity
  name: guid(kubeletIdentity.id, clusterPrincipalId, roles.builtIn.identityOperator.id)
  properties: {
    principalId: clusterPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.identityOperator.id)
  }
}

resource kubeletImages 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: registry
  name: guid(registry.id, kubeletPrincipalId, roles.builtIn.acrPull.id)
  properties: {
    principalId: kubeletPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.acrPull.id)
  }
}

resource deployerDatabases 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerPrincipalId)) {
  scope: databases
  name: guid(databases.id, deployerPrincipalId, roles.builtIn.blobDataContributor.id)
  properties: {
    principalId: deployerPrincipalId
    principalType: deployerPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.blobDataContributor.id)
  }
}

resource deployerTaskHub 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(schedulerName) && !empty(deployerPrincipalId)) {
  scope: taskHub
  name: guid(taskHub.id, deployerPrincipalId, roles.builtIn.durableTaskDataContributor.id)
  properties: {
    principalId: deployerPrincipalId
    principalType: deployerPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.durableTaskDataContributor.id)
  }
}
