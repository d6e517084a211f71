"""The proof service's database in PostgreSQL: several replicas, one writer at a time. Only here is psycopg imported."""
