"""Adapters: how each vendor's API is spoken."""
