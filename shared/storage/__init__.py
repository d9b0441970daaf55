"""The only modules that speak to Azure Blob Storage. They translate its errors into ours and know its conditions."""
