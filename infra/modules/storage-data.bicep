// The databases' storage.
targetScope = 'resourceGroup'

@description('Region of the account.')
param location string

@description('Name of the account.')
param name string

@description('Tags of every resource.')
param tags object

@description('Redundancy of the account.')
param skuName string

@description('Whether the account has a hierarchical namespace. It cannot be changed later.')
param hierarchicalNamespace bool

@description('Name of the container of the databases.')
param containerName string

@description('How long deleted blobs and containers can be restored, in days.')
param retentionDays int

@description('Whether only private endpoints reach the account.')
param privateEndpoints bool

@description('Resource id of the subnet of private endpoints.')
param endpointsSubnetId string

var services = hierarchicalNamespace ? ['blob', 'dfs'] : ['blob']

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: skuName
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    isHnsEnabled: hierarchicalNamespace
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: privateEndpoints ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: privateEndpoints ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
    }
  }
}

// No versioning: an account with a hierarchical namespace refuses it, and a version of every file of a database that is replaced
// would cost as much as the database. The metadata keeps what former layouts follow from, and soft delete keeps deleted files.
//
// No lifecycle rule: staged files lie in {db}/.staging/, and a rule's prefix begins at the container. A cancelled run removes its
// staged files; a failed one leaves them to the next run.
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: retentionDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: retentionDays
    }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: containerName
}

module endpoints 'private-endpoint.bicep' = [
  for service in services: if (privateEndpoints) {
    name: 'endpoint-data-${service}'
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

@description('Name of the container of the databases.')
output containerName string = container.name
