// The function app. It comes last, so that its identity has its roles when it starts.
targetScope = 'resourceGroup'

@description('Region of the app.')
param location string

@description('Name of the app.')
param name string

@description('Name of the app\'s plan.')
param planName string

@description('Tags of the plan.')
param tags object

@description('Tags of the app. Among them is the one by which azd finds the app.')
param siteTags object

@description('Resource id of the app\'s identity.')
param identityId string

@description('Client id of the app\'s identity.')
param identityClientId string

@description('Resource id of the subnet that the app joins.')
param subnetId string

@description('Address of the container of the app\'s package.')
param packageContainerUrl string

@description('Memory of an instance in MB.')
param instanceMemoryMb int

@description('Greatest number of instances.')
param maximumInstanceCount int

@description('Instances that are always ready for requests.')
param alwaysReadyHttp int

@description('Instances that are always ready for orchestrations.')
param alwaysReadyDurable int

@description('Whether the plan spreads instances over zones.')
param zoneRedundant bool

@description('Name of the Application Insights component.')
param componentName string

@description('Addresses of the host\'s storage: blob, queue and table.')
param hostStorage object

@secure()
@description('Settings of the app by name, besides those of host and telemetry. Some may be secret, so the deployment keeps none.')
param appSettings object

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

// The host reaches its storage by the app's identity. Durable orchestrations need all three services.
var hostSettings = {
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  AzureWebJobsStorage__blobServiceUri: hostStorage.blob
  AzureWebJobsStorage__queueServiceUri: hostStorage.queue
  AzureWebJobsStorage__tableServiceUri: hostStorage.table
  APPLICATIONINSIGHTS_CONNECTION_STRING: component.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
}

// Flex Consumption scales requests, orchestrations and other functions each for itself.
var alwaysReady = [
  {
    name: 'http'
    instanceCount: alwaysReadyHttp
  }
  {
    name: 'durable'
    instanceCount: alwaysReadyDurable
  }
]

resource site 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  tags: siteTags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: subnetId
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMb
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: filter(alwaysReady, group => group.instanceCount > 0)
      }
    }
  }

  resource settings 'config' = {
    name: 'appsettings'
    properties: union(hostSettings, appSettings)
  }

  // Nobody deploys with a user name and a password.
  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: {
      allow: false
    }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: {
      allow: false
    }
  }
}

@description('Name of the app.')
output name string = site.name

@description('Host name of the app.')
output hostName string = site.properties.defaultHostName
