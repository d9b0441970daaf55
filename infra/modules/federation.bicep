// The agents' service account may take the agents' identity.
targetScope = 'resourceGroup'

@description('Name of the agents\' identity.')
param identityName string

@description('Address of the issuer of the cluster\'s service account tokens.')
param issuerUrl string

@description('Kubernetes namespace of the agents.')
param namespace string

@description('Kubernetes service account of the agents.')
param serviceAccount string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource credential 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = {
  parent: identity
  name: serviceAccount
  properties: {
    issuer: issuerUrl
    subject: 'system:serviceaccount:${namespace}:${serviceAccount}'
    audiences: ['api://AzureADTokenExchange']
  }
}
