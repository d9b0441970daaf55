// A private endpoint of one service of a storage account. The service's private DNS zone is in the same resource group.
targetScope = 'resourceGroup'

@description('Region of the endpoint.')
param location string

@description('Tags of the endpoint.')
param tags object

@description('Name of the storage account.')
param accountName string

@description('The service: blob, queue, table or dfs.')
param service string

@description('Resource id of the subnet that the endpoint joins.')
param subnetId string

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: accountName
}

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' existing = {
  name: 'privatelink.${service}.${environment().suffixes.storage}'
}

resource endpoint 'Microsoft.Network/privateEndpoints@2024-07-01' = {
  name: 'pep-${accountName}-${service}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: service
        properties: {
          privateLinkServiceId: account.id
          groupIds: [service]
        }
      }
    ]
  }
}

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: service
        properties: {
          privateDnsZoneId: zone.id
        }
      }
    ]
  }
}
