"""What an answer finally says, in a form that can be compared."""

from executor.answers.answer import Answer, read

__all__ = ["Answer", "read"]
