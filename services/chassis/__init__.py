"""How any service of the suite runs. Knows no domain."""
