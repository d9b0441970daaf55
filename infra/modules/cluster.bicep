// The AKS cluster: a small pool for the system's pods, and the pool whose nodes keep databases in memory.
targetScope = 'resourceGroup'

@description('Region of the cluster.')
param location string

@description('Name of the cluster.')
param name string

@description('Tags of every resource.')
param tags object

@description('Kubernetes version; empty: AKS chooses.')
param kubernetesVersion string

@description('Service tier of the control plane.')
param tier string

@description('Resource id of the control plane\'s identity. It needs its roles before the cluster exists.')
param clusterIdentityId string

@description('Resource id of the kubelets\' identity.')
param kubeletIdentityId string

@description('Client id of the kubelets\' identity.')
param kubeletClientId string

@description('Object id of the kubelets\' identity.')
param kubeletPrincipalId string

@description('Resource id of the nodes\' subnet.')
param nodesSubnetId string

@description('Availability zones of the nodes; none: the platform chooses.')
param zones array

@description('Size of the system pool\'s machines.')
param systemVmSize string

@description('Size of the machines that keep databases in memory.')
param blastVmSize string

@description('Least number of nodes that keep databases. The autoscaler removes nodes that run only agents, down to this number.')
param blastNodesMin int

@description('Greatest number of nodes that keep databases.')
param blastNodesMax int

@description('Where the nodes\' system disk is. Ephemeral: on the machine\'s local disk, which is fast and lost with the machine.')
param blastOsDiskType string

@description('Size of the nodes\' system disk in GB. The shards of a node and its images must fit with 15 % to spare.')
param blastOsDiskSizeGb int

@description('Whether the nodes are spot machines: cheap, and taken away at any time.')
param blastSpot bool

// The app finds the pool by its label, and the agents tolerate both taints. AKS itself puts the second on a spot pool.
var workloadTaint = 'workload=blast:NoSchedule'
var spotTaint = 'kubernetes.azure.com/scalesetpriority=spot:NoSchedule'

resource cluster 'Microsoft.ContainerService/managedClusters@2025-05-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Base'
    tier: tier
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${clusterIdentityId}': {}
    }
  }
  properties: {
    dnsPrefix: name
    kubernetesVersion: empty(kubernetesVersion) ? null : kubernetesVersion
    nodeResourceGroup: 'rg-${name}-nodes'
    enableRBAC: true
    // Everybody signs in by Entra. Rights come from roles in Azure, and from Roles in Kubernetes.
    disableLocalAccounts: true
    aadProfile: {
      managed: true
      enableAzureRBAC: true
    }
    identityProfile: {
      kubeletidentity: {
        resourceId: kubeletIdentityId
        clientId: kubeletClientId
        objectId: kubeletPrincipalId
      }
    }
    // Agents exchange their service account's token for one of their identity.
    oidcIssuerProfile: {
      enabled: true
    }
    securityProfile: {
      workloadIdentity: {
        enabled: true
      }
    }
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      networkDataplane: 'cilium'
      networkPolicy: 'cilium'
      loadBalancerSku: 'standard'
      outboundType: 'loadBalancer'
      podCidr: '10.244.0.0/16'
      serviceCidr: '10.0.0.0/16'
      dnsServiceIP: '10.0.0.10'
    }
    // A new node image replaces the nodes. The next reconcile pass warms the new ones.
    autoUpgradeProfile: {
      upgradeChannel: 'patch'
      nodeOSUpgradeChannel: 'NodeImage'
    }
    agentPoolProfiles: [
      {
        name: 'systempool'
        mode: 'System'
        type: 'VirtualMachineScaleSets'
        osType: 'Linux'
        vmSize: systemVmSize
        vnetSubnetID: nodesSubnetId
        availabilityZones: zones
        count: 1
        enableAutoScaling: true
        minCount: 1
        maxCount: 3
        nodeTaints: ['CriticalAddonsOnly=true:NoSchedule']
        upgradeSettings: {
          maxSurge: '33%'
        }
      }
    ]
  }
}

// A resource of its own, so that it can be changed or replaced without the cluster.
resource blastPool 'Microsoft.ContainerService/managedClusters/agentPools@2025-05-01' = {
  parent: cluster
  name: 'blastpool'
  properties: {
    mode: 'User'
    type: 'VirtualMachineScaleSets'
    osType: 'Linux'
    vmSize: blastVmSize
    vnetSubnetID: nodesSubnetId
    availabilityZones: zones
    count: blastNodesMin
    enableAutoScaling: true
    minCount: blastNodesMin
    maxCount: blastNodesMax
    osDiskType: blastOsDiskType
    osDiskSizeGB: blastOsDiskSizeGb
    nodeLabels: {
      workload: 'blast'
    }
    nodeTaints: blastSpot ? [workloadTaint, spotTaint] : [workloadTaint]
    scaleSetPriority: blastSpot ? 'Spot' : 'Regular'
    scaleSetEvictionPolicy: blastSpot ? 'Delete' : null
    // The market's price up to the ordinary one.
    spotMaxPrice: blastSpot ? -1 : null
    // One node after another loses its memory's content. Spot pools take no surge.
    upgradeSettings: blastSpot ? null : { maxSurge: '1' }
  }
}

@description('Name of the cluster.')
output name string = cluster.name

@description('Address of the issuer of the cluster\'s service account tokens.')
output issuerUrl string = cluster.properties.oidcIssuerProfile.issuerURL
