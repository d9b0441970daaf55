// Which logs of the platform go to the workspace.
targetScope = 'resourceGroup'

@description('Name of the Log Analytics workspace.')
param workspaceName string

@description('Name of the function app.')
param functionAppName string

@description('Name of the databases\' storage account.')
param dataStorageName string

@description('Name of the topic of storage\'s events.')
param systemTopicName string

@description('Name of the cluster.')
param clusterName string

@description('Whether every read of a database is logged. Agents read much: this may cost more than the reading.')
param logReads bool

var writes = ['StorageWrite', 'StorageDelete']
// Who did what in the cluster, without reads; who was let in; why a pool grew or shrank.
var clusterLogs = ['kube-audit-admin', 'guard', 'cluster-autoscaler', 'kube-controller-manager']

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: workspaceName
}

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionAppName
}

resource dataStorage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: dataStorageName

  resource blobs 'blobServices' existing = {
    name: 'default'
  }
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: systemTopicName
}

resource cluster 'Microsoft.ContainerService/managedClusters@2025-05-01' existing = {
  name: clusterName
}

resource appDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: app
  name: 'shardwarm'
  properties: {
    workspaceId: workspace.id
    // Traces of functions go to Application Insights already.
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

resource storageDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: dataStorage::blobs
  name: 'shardwarm'
  properties: {
    workspaceId: workspace.id
    logs: [
      for category in (logReads ? concat(writes, ['StorageRead']) : writes): {
        category: category
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

resource topicDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: topic
  name: 'shardwarm'
  properties: {
    workspaceId: workspace.id
    logs: [
      {
        category: 'DeliveryFailures'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

resource clusterDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: cluster
  name: 'shardwarm'
  properties: {
    workspaceId: workspace.id
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      for category in clusterLogs: {
        category: category
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}
