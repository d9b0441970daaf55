"""Client of NCBI's public bucket, by its S3 API over HTTPS. No other module speaks to it; its errors come out as ours."""
