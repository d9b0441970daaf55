// Everything that Shardwarm needs in Azure, in a resource group of its own. azd provision deploys it; events.bicep follows the code.
//
// Defaults stand here only: a module's parameters have none, so that this file shows every choice.
targetScope = 'subscription'

@minLength(1)
@maxLength(64)
@description('Name of the environment. Names of resources follow from it.')
param environmentName string

@description('Region of every resource.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Object id of whoever deploys: gets the roles that uploading and applying need. Empty: nobody does.')
param principalId string = deployer().objectId

@allowed(['User', 'Group', 'ServicePrincipal'])
@description('Kind of whoever deploys.')
param principalType string = 'User'

@description('Name of the resource group; empty: by convention.')
param resourceGroupName string = ''

@description('Name of the cluster; empty: by convention.')
param clusterName string = ''

@minLength(3)
@maxLength(63)
@description('Name of the container of the databases.')
param containerName string = 'blast-db'

@description('Whether the databases\' account has a hierarchical namespace. It cannot be changed later.')
param hierarchicalNamespace bool = true

@minValue(1)
@maxValue(365)
@description('How long deleted blobs and containers can be restored, in days.')
param storageRetentionDays int = 7

@allowed(['Standard_LRS', 'Standard_ZRS'])
@description('Redundancy of both storage accounts.')
param storageSku string = 'Standard_LRS'

@description('Address range of the virtual network: 4,096 addresses, none of them in 10.0.0.0/16 or 10.244.0.0/16.')
param networkPrefix string = '10.20.0.0/20'

@description('Whether storage is reached by private endpoints only. Then nobody uploads from outside the virtual network.')
param privateEndpoints bool = false

@description('Whether the app reaches the internet through a NAT gateway: by one lasting address, whatever subnets get by default.')
param natGateway bool = true

@allowed([2048, 4096])
@description('Memory of an instance of the app in MB.')
param instanceMemoryMb int = 2048

@minValue(40)
@maxValue(1000)
@description('Greatest number of instances of the app.')
param maximumInstanceCount int = 40

@minValue(0)
@description('Instances that are always ready for requests.')
param alwaysReadyHttp int = 1

@minValue(0)
@description('Instances that are always ready for orchestrations.')
param alwaysReadyDurable int = 1

@description('Whether the app\'s instances are spread over zones.')
param zoneRedundant bool = false

@allowed(['function', 'entra'])
@description('Who may call. entra: turn the platform\'s authentication on first.')
param auth string = 'function'

@description('When reconcile passes start, in six fields from seconds to weekdays. The platform reads it.')
param reconcileSchedule string = '0 */10 * * * *'

@description('Hosts that ends of runs may be posted to, separated by commas; empty: none.')
param callbackHosts string = ''

@secure()
@description('The key that signs callbacks; empty: no callbacks.')
param callbackSecret string = ''

@secure()
@description('More settings of the app by name, for example SHARDWARM_PRESETS. They win over those below.')
param moreSettings object = {}

@allowed(['storage', 'scheduler'])
@description('What keeps durable state: the host\'s storage, or Durable Task Scheduler.')
param durableBackend string = 'storage'

@description('Region of the scheduler, as not every region has the service; empty: the region of the rest.')
param schedulerLocation string = ''

@description('Kubernetes version; empty: AKS chooses.')
param kubernetesVersion string = ''

@allowed(['Free', 'Standard', 'Premium'])
@description('Service tier of the cluster\'s control plane. Free has no agreement on its availability.')
param clusterTier string = 'Standard'

@description('Availability zones of the nodes; none: the platform chooses.')
param clusterZones array = []

@description('Size of the system pool\'s machines.')
param systemVmSize string = 'Standard_D4ds_v5'

@description('Size of the machines that keep databases in memory.')
param blastVmSize string = 'Standard_E32ds_v5'

@minValue(0)
@maxValue(1000)
@description('Least number of nodes that keep databases. The autoscaler removes nodes that run only agents, down to this number.')
param blastNodesMin int = 1

@minValue(1)
@maxValue(1000)
@description('Greatest number of nodes that keep databases.')
param blastNodesMax int = 10

@allowed(['Ephemeral', 'Managed'])
@description('Where the nodes\' system disk is. Ephemeral: on the machine\'s local disk, which is fast and lost with the machine.')
param blastOsDiskType string = 'Ephemeral'

@minValue(64)
@maxValue(2048)
@description('Size of the nodes\' system disk in GB. The shards of a node and its images must fit with 15 % to spare.')
param blastOsDiskSizeGb int = 512

@description('Whether the nodes that keep databases are spot machines: cheap, and taken away at any time.')
param blastSpot bool = false

@minLength(1)
@description('Kubernetes namespace of everything that warms. Another one needs an edited copy of infra/kubernetes/rbac.yaml.')
param namespace string = 'shardwarm'

@description('Tag of the node agents\' image in the registry.')
param warmerTag string = '0.1.0'

@allowed(['Basic', 'Standard', 'Premium'])
@description('Service tier of the registry.')
param registrySku string = 'Basic'

@minValue(30)
@maxValue(730)
@description('How long logs are kept, in days.')
param logRetentionDays int = 30

@minValue(-1)
@description('How much the log workspace takes in a day, in GB; -1: no limit.')
param logDailyCapGb int = 1

@description('Whether every read of a database is logged. Agents read much: this may cost more than the reading.')
param logReads bool = false

@minValue(0)
@description('What a month may cost, in the currency of the subscription; 0: no budget.')
param budgetAmount int = 0

@description('First day of the budget\'s first month, as 2026-03-01. Azure refuses a change of it.')
param budgetStartDate string = ''

@description('Addresses that get the budget\'s messages, separated by commas.')
param budgetEmails string = ''

var abbrs = loadJsonContent('abbreviations.json')
var resourceToken = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var serviceAccount = 'shardwarm-warmer'
// The hub's name in host.json.
var taskHubName = 'Shardwarm1'
var usesScheduler = durableBackend == 'scheduler'
var warmerImage = '${registry.outputs.loginServer}/shardwarm-warmer:${warmerTag}'

// What differs from the defaults in docs/settings.md, and the schedule, which the platform reads.
var ownSettings = {
  PYTHON_THREADPOOL_THREAD_COUNT: '16'
  SHARDWARM_ACCOUNTS: dataStorage.outputs.name
  SHARDWARM_AUTH: auth
  SHARDWARM_CALLBACK_HOSTS: callbackHosts
  SHARDWARM_CALLBACK_SECRET: callbackSecret
  SHARDWARM_CLIENT_ID: identities.outputs.appClientId
  SHARDWARM_CLUSTERS: cluster.outputs.name
  SHARDWARM_CONTAINER: dataStorage.outputs.containerName
  SHARDWARM_NAMESPACE: namespace
  SHARDWARM_RECONCILE_SCHEDULE: reconcileSchedule
  SHARDWARM_WARMER_CLIENT_ID: identities.outputs.agentClientId
  SHARDWARM_WARMER_IMAGE: warmerImage
}

// One package for both: these win over host.json, which names the host's storage.
var schedulerSettings = usesScheduler
  ? {
      DURABLE_TASK_SCHEDULER_CONNECTION_STRING: 'Endpoint=${scheduler!.outputs.endpoint};Authentication=ManagedIdentity;ClientID=${identities.outputs.appClientId}'
      AzureFunctionsJobHost__extensions__durableTask__storageProvider__type: 'azureManaged'
      AzureFunctionsJobHost__extensions__durableTask__storageProvider__connectionStringName: 'DURABLE_TASK_SCHEDULER_CONNECTION_STRING'
    }
  : {}

resource rg 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: !empty(resourceGroupName) ? resourceGroupName : '${abbrs.resourceGroup}${environmentName}'
  location: location
  tags: tags
}

module identities 'modules/identities.bicep' = {
  name: 'identities'
  scope: rg
  params: {
    location: location
    namePrefix: abbrs.identity
    resourceToken: resourceToken
    tags: tags
  }
}

module network 'modules/network.bicep' = {
  name: 'network'
  scope: rg
  params: {
    location: location
    name: '${abbrs.virtualNetwork}${resourceToken}'
    tags: tags
    addressPrefix: networkPrefix
    privateEndpoints: privateEndpoints
    natGateway: natGateway
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: rg
  params: {
    location: location
    workspaceName: '${abbrs.workspace}${resourceToken}'
    componentName: '${abbrs.component}${resourceToken}'
    tags: tags
    retentionDays: logRetentionDays
    dailyCapGb: logDailyCapGb
  }
}

module hostStorage 'modules/storage-host.bicep' = {
  name: 'storage-host'
  scope: rg
  params: {
    location: location
    name: '${abbrs.hostStorage}${resourceToken}'
    tags: tags
    skuName: storageSku
    packageContainerName: 'app-package'
    deadLetterContainerName: 'dead-letter'
    privateEndpoints: privateEndpoints
    endpointsSubnetId: network.outputs.endpointsSubnetId
  }
}

module dataStorage 'modules/storage-data.bicep' = {
  name: 'storage-data'
  scope: rg
  params: {
    location: location
    name: '${abbrs.dataStorage}${resourceToken}'
    tags: tags
    skuName: storageSku
    hierarchicalNamespace: hierarchicalNamespace
    containerName: containerName
    retentionDays: storageRetentionDays
    privateEndpoints: privateEndpoints
    endpointsSubnetId: network.outputs.endpointsSubnetId
  }
}

module registry 'modules/registry.bicep' = {
  name: 'registry'
  scope: rg
  params: {
    location: location
    name: '${abbrs.registry}${resourceToken}'
    tags: tags
    skuName: registrySku
  }
}

module scheduler 'modules/scheduler.bicep' = if (usesScheduler) {
  name: 'scheduler'
  scope: rg
  params: {
    location: !empty(schedulerLocation) ? schedulerLocation : location
    name: '${abbrs.scheduler}${resourceToken}'
    taskHubName: taskHubName
    tags: tags
  }
}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  scope: rg
  params: {
    hostStorageName: hostStorage.outputs.name
    deadLetterContainerName: hostStorage.outputs.deadLetterContainerName
    dataStorageName: dataStorage.outputs.name
    containerName: dataStorage.outputs.containerName
    componentName: monitoring.outputs.componentName
    registryName: registry.outputs.name
    networkName: network.outputs.name
    nodesSubnetName: network.outputs.nodesSubnetName
    kubeletIdentityName: identities.outputs.kubeletName
    schedulerName: usesScheduler ? scheduler!.outputs.name : ''
    taskHubName: usesScheduler ? scheduler!.outputs.taskHubName : taskHubName
    appPrincipalId: identities.outputs.appPrincipalId
    agentPrincipalId: identities.outputs.agentPrincipalId
    eventsPrincipalId: identities.outputs.eventsPrincipalId
    clusterPrincipalId: identities.outputs.clusterPrincipalId
    kubeletPrincipalId: identities.outputs.kubeletPrincipalId
    deployerPrincipalId: principalId
    deployerPrincipalType: principalType
  }
}

module cluster 'modules/cluster.bicep' = {
  name: 'cluster'
  scope: rg
  dependsOn: [roles]
  params: {
    location: location
    name: !empty(clusterName) ? clusterName : '${abbrs.cluster}${resourceToken}'
    tags: tags
    kubernetesVersion: kubernetesVersion
    tier: clusterTier
    clusterIdentityId: identities.outputs.clusterId
    kubeletIdentityId: identities.outputs.kubeletId
    kubeletClientId: identities.outputs.kubeletClientId
    kubeletPrincipalId: identities.outputs.kubeletPrincipalId
    nodesSubnetId: network.outputs.nodesSubnetId
    zones: clusterZones
    systemVmSize: systemVmSize
    blastVmSize: blastVmSize
    blastNodesMin: blastNodesMin
    blastNodesMax: blastNodesMax
    blastOsDiskType: blastOsDiskType
    blastOsDiskSizeGb: blastOsDiskSizeGb
    blastSpot: blastSpot
  }
}

module clusterRoles 'modules/cluster-roles.bicep' = {
  name: 'cluster-roles'
  scope: rg
  params: {
    clusterName: cluster.outputs.name
    namespaceName: namespace
    resourceToken: resourceToken
    appPrincipalId: identities.outputs.appPrincipalId
    deployerPrincipalId: principalId
    deployerPrincipalType: principalType
  }
}

module federation 'modules/federation.bicep' = {
  name: 'federation'
  scope: rg
  params: {
    identityName: identities.outputs.agentName
    issuerUrl: cluster.outputs.issuerUrl
    namespace: namespace
    serviceAccount: serviceAccount
  }
}

module events 'modules/events.bicep' = {
  name: 'events'
  scope: rg
  params: {
    location: location
    name: '${abbrs.systemTopic}${resourceToken}'
    tags: tags
    accountName: dataStorage.outputs.name
    identityId: identities.outputs.eventsId
  }
}

module functions 'modules/functions.bicep' = {
  name: 'functions'
  scope: rg
  dependsOn: [roles, clusterRoles]
  params: {
    location: location
    name: '${abbrs.functionApp}${resourceToken}'
    planName: '${abbrs.functionPlan}${resourceToken}'
    tags: tags
    siteTags: union(tags, { 'azd-service-name': 'api' })
    identityId: identities.outputs.appId
    identityClientId: identities.outputs.appClientId
    subnetId: network.outputs.functionsSubnetId
    packageContainerUrl: '${hostStorage.outputs.blobEndpoint}${hostStorage.outputs.packageContainerName}'
    instanceMemoryMb: instanceMemoryMb
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyHttp: alwaysReadyHttp
    alwaysReadyDurable: alwaysReadyDurable
    zoneRedundant: zoneRedundant
    componentName: monitoring.outputs.componentName
    hostStorage: {
      blob: hostStorage.outputs.blobEndpoint
      queue: hostStorage.outputs.queueEndpoint
      table: hostStorage.outputs.tableEndpoint
    }
    appSettings: union(ownSettings, schedulerSettings, moreSettings)
  }
}

module diagnostics 'modules/diagnostics.bicep' = {
  name: 'diagnostics'
  scope: rg
  params: {
    workspaceName: monitoring.outputs.workspaceName
    functionAppName: functions.outputs.name
    dataStorageName: dataStorage.outputs.name
    systemTopicName: events.outputs.name
    clusterName: cluster.outputs.name
    logReads: logReads
  }
}

module budget 'modules/budget.bicep' = if (budgetAmount > 0) {
  name: 'budget'
  scope: rg
  params: {
    name: '${abbrs.budget}${resourceToken}'
    amount: budgetAmount
    startDate: budgetStartDate
    contactEmails: split(budgetEmails, ',')
  }
}

@description('Region of every resource.')
output AZURE_LOCATION string = location

@description('Name of the resource group.')
output AZURE_RESOURCE_GROUP string = rg.name

@description('Name of the cluster. azd and its hooks find the cluster by it.')
output AZURE_AKS_CLUSTER_NAME string = cluster.outputs.name

@description('Host name of the registry.')
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.loginServer

@description('Name of the registry.')
output AZURE_CONTAINER_REGISTRY_NAME string = registry.outputs.name

@description('Name of the function app.')
output DEPLOYED_FUNCTION_APP string = functions.outputs.name

@description('Address of the app.')
output DEPLOYED_URL string = 'https://${functions.outputs.hostName}'

@description('Name of the databases\' storage account.')
output DEPLOYED_DATA_ACCOUNT string = dataStorage.outputs.name

@description('Name of the container of the databases.')
output DEPLOYED_DATA_CONTAINER string = dataStorage.outputs.containerName

@description('Name of the host\'s storage account.')
output DEPLOYED_HOST_ACCOUNT string = hostStorage.outputs.name

@description('Name of the container of events that could not be delivered.')
output DEPLOYED_DEAD_LETTER_CONTAINER string = hostStorage.outputs.deadLetterContainerName

@description('Name of the topic of storage\'s events.')
output DEPLOYED_SYSTEM_TOPIC string = events.outputs.name

@description('Resource id of the topic\'s identity.')
output DEPLOYED_EVENTS_IDENTITY_ID string = identities.outputs.eventsId

@description('Whether the databases\' account has a hierarchical namespace.')
output DEPLOYED_HIERARCHICAL_NAMESPACE bool = hierarchicalNamespace

@description('Object id of the app\'s identity. Kubernetes knows the app by it.')
output DEPLOYED_APP_OBJECT_ID string = identities.outputs.appPrincipalId

@description('Client id of the agents\' identity.')
output DEPLOYED_AGENT_CLIENT_ID string = identities.outputs.agentClientId

@description('Kubernetes namespace of everything that warms.')
output DEPLOYED_K8S_NAMESPACE string = namespace

@description('Name of the node agents\' image in the registry.')
output DEPLOYED_AGENT_IMAGE string = warmerImage
