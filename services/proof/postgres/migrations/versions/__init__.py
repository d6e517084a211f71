"""Revisions of the tables, raw SQL, oldest first. Each stays as it was released.

A table changes in three releases. Expand: the new is added, and the program before it goes on unaware. Migrate: the
program writes both and reads the new. Contract: the old is dropped.
"""
