"""Metrics: the table of all instruments, where they are counted, and how they leave the process."""
