// The roles on the cluster. Entra's roles rule who may do what in Kubernetes; roles.json says who has which, and why.
targetScope = 'resourceGroup'

@description('Name of the cluster.')
param clusterName string

@description('Kubernetes namespace of the agents. The role assignment may exist before the namespace does.')
param namespaceName string

@description('End of the names of our own roles, which must be unique in the tenant.')
param resourceToken string

@description('Object id of the app\'s identity.')
param appPrincipalId string

@description('Object id of whoever deploys; empty: nobody gets roles.')
param deployerPrincipalId string

@description('Kind of whoever deploys.')
param deployerPrincipalType string

var roles = loadJsonContent('../roles.json')
var ownGroup = resourceGroup().id

resource cluster 'Microsoft.ContainerService/managedClusters@2025-05-01' existing = {
  name: clusterName
}

// Only a scope. Kubernetes makes the namespace, from infra/kubernetes/rbac.yaml.
resource namespace 'Microsoft.ContainerService/managedClusters/namespaces@2025-02-02-preview' existing = {
  parent: cluster
  name: namespaceName
}

resource nodeReader 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(ownGroup, roles.custom.nodeReader.name)
  properties: {
    roleName: '${roles.custom.nodeReader.name} ${resourceToken}'
    description: 'Lists nodes, and the pods on them.'
    type: 'CustomRole'
    assignableScopes: [ownGroup]
    permissions: [
      {
        dataActions: roles.custom.nodeReader.dataActions
      }
    ]
  }
}

resource agentManager 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(ownGroup, roles.custom.agentManager.name)
  properties: {
    roleName: '${roles.custom.agentManager.name} ${resourceToken}'
    description: 'Starts, reads and removes the node agents.'
    type: 'CustomRole'
    assignableScopes: [ownGroup]
    permissions: [
      {
        dataActions: roles.custom.agentManager.dataActions
      }
    ]
  }
}

resource appCluster 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: cluster
  name: guid(cluster.id, appPrincipalId, roles.builtIn.clusterUser.id)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.clusterUser.id)
  }
}

resource appNodes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: cluster
  name: guid(cluster.id, appPrincipalId, nodeReader.name)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: nodeReader.id
  }
}

resource appAgents 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: namespace
  name: guid(namespace.id, appPrincipalId, agentManager.name)
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: agentManager.id
  }
}

resource deployerCluster 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerPrincipalId)) {
  scope: cluster
  name: guid(cluster.id, deployerPrincipalId, roles.builtIn.clusterAdmin.id)
  properties: {
    principalId: deployerPrincipalId
    principalType: deployerPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.builtIn.clusterAdmin.id)
  }
}
