"""The embedded PostgreSQL and Valkey, and the commands that run the project on them."""
