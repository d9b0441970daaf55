// The virtual network: one subnet each for the app, for the cluster's nodes and for private endpoints.
targetScope = 'resourceGroup'

@description('Region of the network.')
param location string

@description('Name of the virtual network.')
param name string

@description('Tags of every resource.')
param tags object

@description('Address range of the network. The three subnets are cut out of it; it needs 4,096 addresses.')
param addressPrefix string

@description('Whether storage gets private endpoints, and so needs private DNS zones.')
param privateEndpoints bool

@description('Whether the app reaches the internet through a NAT gateway: by one lasting address, whatever subnets get by default.')
param natGateway bool

// The platform asks for this delegation of the subnet that a Flex Consumption app joins. Nothing else may be in it.
var functionsSubnet = {
  name: 'functions'
  properties: {
    addressPrefix: cidrSubnet(addressPrefix, 24, 0)
    natGateway: natGateway ? { id: gateway.id } : null
    delegations: [
      {
        name: 'functions'
        properties: {
          serviceName: 'Microsoft.App/environments'
        }
      }
    ]
  }
}

// Pods have addresses of an overlay, so a node takes one address.
var nodesSubnet = {
  name: 'nodes'
  properties: {
    addressPrefix: cidrSubnet(addressPrefix, 22, 1)
  }
}

var endpointsSubnet = {
  name: 'private-endpoints'
  properties: {
    addressPrefix: cidrSubnet(addressPrefix, 24, 1)
  }
}

// Each service of storage has its own zone. Data Lake's is needed too: an account with a hierarchical namespace has both endpoints.
var services = ['blob', 'queue', 'table', 'dfs']

// NCBI's bucket, Azure Resource Manager and the cluster's API server are outside the network.
resource address 'Microsoft.Network/publicIPAddresses@2024-07-01' = if (natGateway) {
  name: 'pip-${name}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
  }
}

resource gateway 'Microsoft.Network/natGateways@2024-07-01' = if (natGateway) {
  name: 'ng-${name}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIpAddresses: [
      {
        id: address.id
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [addressPrefix]
    }
    // Subnets stand in the network's own body. As resources of their own they would be removed by the network's next deployment.
    subnets: [functionsSubnet, nodesSubnet, endpointsSubnet]
  }

  resource functions 'subnets' existing = {
    name: functionsSubnet.name
  }

  resource nodes 'subnets' existing = {
    name: nodesSubnet.name
  }

  resource endpoints 'subnets' existing = {
    name: endpointsSubnet.name
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for service in services: if (privateEndpoints) {
    name: 'privatelink.${service}.${environment().suffixes.storage}'
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (service, index) in services: if (privateEndpoints) {
    parent: zones[index]
    name: name
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: network.id
      }
    }
  }
]

@description('Resource id of the subnet that the app joins.')
output functionsSubnetId string = network::functions.id

@description('Name of the subnet of the cluster\'s nodes.')
output nodesSubnetName string = network::nodes.name

@description('Resource id of the subnet of the cluster\'s nodes.')
output nodesSubnetId string = network::nodes.id

@description('Resource id of the subnet of private endpoints.')
output endpointsSubnetId string = network::endpoints.id

@description('Name of the virtual network.')
output name string = network.name
