// The registry of the node agents' image. Nobody signs in with a password: kubelets pull and the deployer builds by their identities.
targetScope = 'resourceGroup'

@description('Region of the registry.')
param location string

@description('Name of the registry.')
param name string

@description('Tags of the registry.')
param tags object

@description('Service tier of the registry.')
param skuName string

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: skuName
  }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
  }
}

@description('Name of the registry.')
output name string = registry.name

@description('Host name of the registry.')
output loginServer string = registry.properties.loginServer
