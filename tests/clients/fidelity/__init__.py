"""What AWS KMS answers to each request that it refuses, as one table, and the world that its requests need."""
