// The Functions host's own storage: durable state, the app's package, and events that could not be delivered. It holds no database.
targetScope = 'resourceGroup'

@description('Region of the account.')
param location string

@description('Name of the account.')
param name string

@description('Tags of every resource.')
param tags object

@description('Redundancy of the account.')
param skuName string

@description('Name of the container of the app\'s package.')
param packageContainerName string

@description('Name of the container of events that could not be delivered.')
param deadLetterContainerName string

@description('Whether only private endpoints reach the account.')
param privateEndpoints bool

@description('Resource id of the subnet of private endpoints.')
param endpointsSubnetId string

// Durable orchestrations use blobs, queues and tables.
var services = ['blob', 'queue', 'table']

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: skuName
  }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: privateEndpoints ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: privateEndpoints ? 'Deny' : 'Allow'
      // Event Grid stores undelivered events as a trusted service. It has no private endpoint.
      bypass: 'AzureServices'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
}

resource package 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: packageContainerName
}

resource deadLetter 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: deadLetterContainerName
}

module endpoints 'private-endpoint.bicep' = [
  for service in services: if (privateEndpoints) {
    name: 'endpoint-host-${service}'
    params: {
      location: location
      tags: tags
      accountName: account.name
      service: service
      subnetId: endpointsSubnetId
    }
  }
]

@description('Name of the account.')
output name string = account.name

@description('Address of the blob service.')
output blobEndpoint string = account.properties.primaryEndpoints.blob

@description('Address of the queue service.')
output queueEndpoint string = account.properties.primaryEndpoints.queue

@description('Address of the table service.')
output tableEndpoint string = account.properties.primaryEndpoints.table

@description('Name of the container of the app\'s package.')
output packageContainerName string = package.name

@description('Name of the container of events that could not be delivered.')
output deadLetterContainerName string = deadLetter.name
