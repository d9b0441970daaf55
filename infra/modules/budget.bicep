// A budget of the resource group: it tells people, and stops nothing.
targetScope = 'resourceGroup'

@description('Name of the budget.')
param name string

@description('What a month may cost, in the currency of the subscription.')
param amount int

@description('First day of the first month, as 2026-03-01. Azure refuses a change of it.')
param startDate string

@description('Who gets a message at 80 % and at 100 %: addresses.')
param contactEmails array

resource budget 'Microsoft.Consumption/budgets@2024-08-01' = {
  name: name
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: {
      startDate: startDate
    }
    notifications: {
      nearly: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: contactEmails
      }
      forecast: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: contactEmails
      }
    }
  }
}
