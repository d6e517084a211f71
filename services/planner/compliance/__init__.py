"""Compliance as code: what a policy says, what is known of the providers, and which models that leaves."""
