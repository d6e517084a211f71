"""The proof service's database in SQLite: one file, one machine."""
