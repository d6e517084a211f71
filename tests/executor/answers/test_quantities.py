"""Numbers, units and dates, as answers give them."""

# ruff: noqa: RUF001 - signs that look alike are what this is about

from __future__ import annotations

from fractions import Fraction

import pytest

from executor import answers

THREE_QUARTERS = Fraction(3, 4)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        # digits, in the ways of several countries
        ("391", 391),
        ("1,234,567", 1_234_567),
        ("1,234.50", Fraction("1234.5")),
        ("1.234,50", Fraction("1234.5")),
        ("1.234.567", 1_234_567),
        ("1 234", 1234),
        ("1\u202f234,5", Fraction("1234.5")),
        ("1'234.5", Fraction("1234.5")),
        ("0,5", Fraction(1, 2)),
        ("1,5", Fraction(3, 2)),
        ("1.234", Fraction("1.234")),
        (".5", Fraction(1, 2)),
        ("+7", 7),
        ("-3", -3),
        ("\u22123", -3),
        ("minus 3", -3),
        ("１２３", 123),
        ("(5)", 5),
        # powers and scales
        ("12e3", 12_000),
        ("1.2E-3", Fraction("0.0012")),
        ("1.2 × 10^3", 1200),
        (r"1.2 \times 10^{3}", 1200),
        ("10^6", 1_000_000),
        ("10⁶", 1_000_000),
        ("1.5 million", 1_500_000),
        ("2,5 Millionen", 2_500_000),
        ("3 milliards", 3_000_000_000),
        ("1.5万", 15_000),
        ("5k", 5000),
        # parts
        ("50%", Fraction(1, 2)),
        ("12.5 %", Fraction(1, 8)),
        ("50 percent", Fraction(1, 2)),
        ("50 Prozent", Fraction(1, 2)),
        (r"50\%", Fraction(1, 2)),
        ("3/4", THREE_QUARTERS),
        ("¾", THREE_QUARTERS),
        (r"\frac{3}{4}", THREE_QUARTERS),
        (r"$\dfrac{3}{4}$", THREE_QUARTERS),
        (r"\frac34", THREE_QUARTERS),
        (r"-\frac{3}{4}", -THREE_QUARTERS),
        ("-1 1/2", Fraction(-3, 2)),
        ("2 1/2", Fraction(5, 2)),
        ("2½", Fraction(5, 2)),
        ("three quarters", THREE_QUARTERS),
        ("half", Fraction(1, 2)),
        # words
        ("twelve", 12),
        ("forty-two", 42),
        ("one hundred and five", 105),
        ("Twelve apples", 12),
        # around a number
        ("3 bolts in total", 3),
        ("about 5", 5),
        ("~5", 5),
        ("x = 5", 5),
        ("17 * 23 = 391", 391),
        ("$5$", 5),
        ("15 miles/gallon", 15),
        ("**12**", 12),
    ],
)
def test_a_number_is_read_exactly(text: str, number: Fraction | int) -> None:
    read = answers.read(text)
    assert (read.kind, read.key) == ("number", Fraction(number))


@pytest.mark.parametrize(
    ("text", "amount", "dimension"),
    [
        ("5 km", 5000, "length"),
        ("5000 m", 5000, "length"),
        ("5km", 5000, "length"),
        ("5 kilometers", 5000, "length"),
        ("5 Kilometer", 5000, "length"),
        (r"12\text{ cm}", Fraction("0.12"), "length"),
        ("5 feet 10 inches", Fraction("1.778"), "length"),
        ("2 kg", 2, "mass"),
        ("90 min", 5400, "time"),
        ("1.5 h", 5400, "time"),
        ("1 h 30 min", 5400, "time"),
        ("2 hours and 30 minutes", 9000, "time"),
        ("2 Stunden", 7200, "time"),
        ("100 °C", Fraction("373.15"), "temperature"),
        ("212°F", Fraction("373.15"), "temperature"),
        (r"90^\circ", 90, "angle"),
        ("36 km/h", 10, "speed"),
        ("10 square meters", 10, "area"),
        ("$5", 5, "USD"),
        ("5 dollars", 5, "USD"),
        ("US$1,000.50", Fraction("1000.5"), "USD"),
        (r"\$5", 5, "USD"),
        ("$2M", 2_000_000, "USD"),
        ("50 cents", Fraction(1, 2), "USD"),
        ("5 €", 5, "EUR"),
    ],
)
def test_a_unit_is_brought_to_the_base_of_its_dimension(text: str, amount: Fraction | int, dimension: str) -> None:
    read = answers.read(text)
    assert (read.kind, read.key) == ("number", (Fraction(amount), dimension))


@pytest.mark.parametrize(
    "text",
    ["1/0", "v2", "1.2.3", "10:30", "6th", "3:4", "5 or 6", "2, 3", "1914-1918", "x^2 + 1", "5x", "12e99999", "IV"],
)
def test_what_is_no_single_number_is_compared_as_it_is_written(text: str) -> None:
    assert answers.read(text).kind == "short"


@pytest.mark.parametrize("text", ["9" * 5000, "1/" * 5000, "1e" * 5000])
def test_no_number_is_so_long(text: str) -> None:
    assert answers.read(text).kind == "text"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024-03-03", "2024-03-03"),
        ("2024/03/03", "2024-03-03"),
        ("3 March 2024", "2024-03-03"),
        ("the 3rd of March 2024", "2024-03-03"),
        ("March 3rd 2024", "2024-03-03"),
        ("Mar. 3, 2024", "2024-03-03"),
        ("Sunday, 3 March 2024", "2024-03-03"),
        ("on March 3, 2024", "2024-03-03"),
        ("03.03.2024", "2024-03-03"),
        ("3.3.2024", "2024-03-03"),
        ("03/03/2024", "2024-03-03"),
        ("3. März 2024", "2024-03-03"),
        ("le 3 mars 2024", "2024-03-03"),
        ("3 de marzo de 2024", "2024-03-03"),
        ("3 marzo 2024", "2024-03-03"),
        ("3 de março de 2024", "2024-03-03"),
        ("2024年3月3日", "2024-03-03"),
        ("13/04/2024", "2024-04-13"),
        ("04/13/2024", "2024-04-13"),
        ("03/04/2024", "2024-03-04|2024-04-03"),
        ("4/3/2024", "2024-03-04|2024-04-03"),
        ("03.04.2024", "2024-04-03"),
        ("March 2024", "2024-03"),
        ("July 4", "--07-04"),
        ("The answer is July 20, 1969.", "1969-07-20"),
        ("The treaty's date is 4 July 1776.", "1776-07-04"),
    ],
)
def test_a_date_is_read_as_iso_and_both_ways_where_nobody_can_tell(text: str, date: str) -> None:
    read = answers.read(text)
    assert (read.kind, read.key) == ("date", date)


@pytest.mark.parametrize("text", ["2024-02-30", "32/13/2024", "3 Marchember 2024", "31 April 2024"])
def test_a_day_that_is_in_no_calendar_is_no_date(text: str) -> None:
    assert answers.read(text).kind != "date"
