"""The text of one answer, handed on piece by piece as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from executor.chat import CallError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Code points of one answer.
_MAX_TEXT: Final = 8 << 20


class Pieces:
    """Collects the pieces of a text and hands each on at once: never an empty one, never half a character.

    A server that cuts its answer in UTF-16 may send a surrogate pair in two pieces; the first half waits here.
    """

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text = on_text
        self._said: list[str] = []
        self._length = 0
        self._half = ""

    def add(self, piece: str) -> None:
        """Take a piece.

        Raises:
            CallError: it is no text, or there is too much of it.
        """
        if self._half or not piece.isascii():
            piece = self._whole_characters(self._half + piece)
        if not piece:
            return
        self._length += len(piece)
        if self._length > _MAX_TEXT:
            raise CallError("too_large", f"the answer has more than {_MAX_TEXT} characters", worked=True)
        self._said.append(piece)
        self._on_text(piece)

    def add_all(self, text: str) -> None:
        """Take a whole text as the only piece; see `add` and `text`."""
        self.add(text)
        self.text()

    def text(self) -> str:
        """Return all pieces joined.

        Raises:
            CallError: the last one ends in half a character.
        """
        if self._half:
            _no_text()
        return "".join(self._said)

    def _whole_characters(self, text: str) -> str:
        self._half = ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            _no_text()


def _no_text() -> NoReturn:
    raise CallError("bad_response", "the answer holds half a surrogate pair", worked=True)
