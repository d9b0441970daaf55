"""The only modules that speak to NCBI's public bucket, by its S3 API over HTTPS. They translate its errors into ours."""
