"""The proof service: signed statements of how answers were made, kept for ever."""
