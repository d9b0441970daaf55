// The subscription that tells the app of uploaded and deleted blobs. It is deployed after the app's code, into the resource group
// that main.bicep made: Event Grid asks the app for its function, and refuses the subscription when there is none.
targetScope = 'resourceGroup'

@description('Name of the topic of the databases\' storage.')
param systemTopicName string

@description('Name of the function app.')
param functionAppName string

@description('Name of the function that takes events.')
param functionName string = 'on_blob_event'

@description('Name of the container of the databases.')
param containerName string = 'blast-db'

@description('Whether the databases\' account has a hierarchical namespace.')
param hierarchicalNamespace bool = true

@description('Name of the host\'s storage account.')
param hostStorageName string

@description('Name of the container of events that could not be delivered.')
param deadLetterContainerName string = 'dead-letter'

@description('Resource id of the identity by which the topic stores events that it cannot deliver.')
param eventsIdentityId string

// Such an account first tells of an empty file, then of its content. The app drops the first (it knows the same list); here
// Event Grid drops it already, which costs less.
var contentOnly = [
  {
    operatorType: 'StringNotIn'
    key: 'data.api'
    values: ['CreateFile', 'SftpCreate']
  }
]

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: systemTopicName
}

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionAppName

  resource taker 'functions' existing = {
    name: functionName
  }
}

resource hostStorage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: hostStorageName
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'shardwarm'
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        // The function's id. With the app's id Event Grid refuses the subscription.
        resourceId: app::taker.id
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated', 'Microsoft.Storage.BlobDeleted']
      subjectBeginsWith: '/blobServices/default/containers/${containerName}/blobs/'
      isSubjectCaseSensitive: true
      advancedFilters: hierarchicalNamespace ? contentOnly : []
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
    deadLetterWithResourceIdentity: {
      identity: {
        type: 'UserAssigned'
        userAssignedIdentity: eventsIdentityId
      }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: hostStorage.id
          blobContainerName: deadLetterContainerName
        }
      }
    }
  }
}
