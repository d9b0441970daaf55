// The topic of the databases' storage. What it delivers, and to where, is in events.bicep beside main.bicep.
targetScope = 'resourceGroup'

@description('Region of the storage account, and so of the topic.')
param location string

@description('Name of the topic.')
param name string

@description('Tags of the topic.')
param tags object

@description('Name of the databases\' storage account.')
param accountName string

@description('Resource id of the identity by which the topic stores events that it cannot deliver.')
param identityId string

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: accountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    source: account.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

@description('Name of the topic.')
output name string = topic.name
