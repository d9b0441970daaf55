// Durable Task Scheduler: another home for the state of orchestrations than the host's storage.
targetScope = 'resourceGroup'

@description('Region of the scheduler. Not every region has the service.')
param location string

@description('Name of the scheduler.')
param name string

@description('Name of the task hub.')
param taskHubName string

@description('Tags of the scheduler.')
param tags object

resource scheduler 'Microsoft.DurableTask/schedulers@2025-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    // Whoever calls needs a role; the addresses of a Flex Consumption app are not known beforehand.
    ipAllowlist: ['0.0.0.0/0']
    sku: {
      name: 'Consumption'
    }
  }
}

resource taskHub 'Microsoft.DurableTask/schedulers/taskHubs@2025-11-01' = {
  parent: scheduler
  name: taskHubName
}

@description('Name of the scheduler.')
output name string = scheduler.name

@description('Name of the task hub.')
output taskHubName string = taskHub.name

@description('Address of the scheduler.')
output endpoint string = scheduler.properties.endpoint
