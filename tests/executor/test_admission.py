"""So many requests run and no more, however they end."""

from __future__ import annotations

import pytest

from executor.admission import Admission, OverloadedError


def test_one_too_many_is_refused_and_changes_nothing() -> None:
    admission = Admission(2)
    with admission.one(), admission.one():
        for _ in range(3):
            with pytest.raises(OverloadedError), admission.one():
                pytest.fail("it ran")
    with admission.one(), admission.one():
        pass


def test_a_request_that_fails_makes_room_too() -> None:
    admission = Admission(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admission.one():
            raise ZeroDivisionError
