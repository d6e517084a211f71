"""Units of measure: how many of a dimension's base unit one of each is."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final


@dataclass(frozen=True)
class Unit:
    """A unit: `value * factor + offset` is the amount in the base unit of its dimension."""

    dimension: str
    factor: Fraction
    offset: Fraction = Fraction(0)


# Where a symbol means several things, the one that stands after a number in an answer: `m` is metres, `h` hours. Months
# and years are no number of days.
_TABLE: Final = {
    "length": {
        "1": "m metre metres meter meters metro metros metri mètre mètres 米 メートル",
        "1000": "km kilometre kilometres kilometer kilometers kilómetros quilômetros chilometri kilomètres 公里 千米",
        "1/100": "cm centimetre centimetres centimeter centimeters Zentimeter centímetros 厘米",
        "1/10": "dm",
        "1/1000": "mm millimetre millimetres millimeter millimeters",
        "1/1000000": "µm micrometre micrometres micrometer micrometers micron microns",
        "1/1000000000": "nm nanometre nanometres nanometer nanometers",
        "0.0254": "in inch inches Zoll",
        "0.3048": "ft foot feet",
        "0.9144": "yd yard yards",
        "1609.344": "mi mile miles Meilen",
    },
    "mass": {
        "1": "kg kilo kilos kilogram kilograms kilogramme kilogrammes Kilogramm 公斤 千克",
        "1/1000": "g gram grams gramme grammes Gramm gramos gramas grammi 克",
        "1/1000000": "mg milligram milligrams",
        "1000": "t tonne tonnes Tonnen",
        "0.45359237": "lb lbs pound-mass",
        "0.028349523125": "oz ounce ounces",
    },
    "time": {
        "1": "s sec secs second seconds Sekunde Sekunden seconde secondes segundo segundos secondi 秒",
        "1/1000": "ms millisecond milliseconds",
        "60": "min mins minute minutes Minuten minuto minutos minuti 分钟",
        "3600": "h hr hrs hour hours Stunde Stunden heure heures hora horas ora ore 小时 時間",
        "86400": "day days Tag Tage jour jours día días dia dias giorno giorni 天",
        "604800": "week weeks Woche Wochen semaine semaines semana semanas",
    },
    "calendar": {
        "1": "month months Monat Monate mois mes meses mese mesi",
        "12": "year years yr yrs Jahr Jahre an ans année années año años ano anos anno anni 年",
    },
    "area": {
        "1": "m² m^2 m2 sqm|square metres|square meters|square metre|square meter|Quadratmeter",
        "1/10000": "cm² cm^2 cm2|square centimeters|square centimetres",
        "1000000": "km² km^2 km2|square kilometers|square kilometres",
        "10000": "ha hectare hectares Hektar",
        "4046.8564224": "acre acres",
        "0.09290304": "ft² ft^2 sqft|sq ft|square feet|square foot",
        "0.00064516": "in² in^2|sq in|square inches|square inch",
    },
    "volume": {
        "1": "l L litre litres liter liters Liter litros litri 升",
        "1/1000": "ml mL millilitre millilitres milliliter milliliters cm³ cm^3 cc|cubic centimeters|cubic centimetres",
        "1/100": "cl",
        "1/10": "dl",
        "1000": "m³ m^3|cubic metres|cubic meters",
        "3.785411784": "gal gallon gallons",
        "28.316846592": "ft³ ft^3|cubic feet",
        "0.016387064": "in³ in^3|cubic inches",
    },
    "speed": {
        "1": "m/s|meters per second|metres per second",
        "5/18": "km/h kph kmh|km per hour|kilometers per hour|kilometres per hour",
        "0.44704": "mph|miles per hour",
    },
    "energy": {
        "1": "J joule joules",
        "1000": "kJ kilojoule kilojoules",
        "4.184": "cal calorie calories",
        "4184": "kcal kilocalorie kilocalories",
        "3600000": "kWh|kilowatt hours|kilowatt-hours",
    },
    "power": {"1": "W watt watts", "1000": "kW kilowatt kilowatts", "1000000": "MW megawatt megawatts"},
    "force": {"1": "N newton newtons", "1000": "kN"},
    "pressure": {"1": "Pa pascal pascals", "1000": "kPa", "100000": "bar", "101325": "atm"},
    "frequency": {"1": "Hz hertz", "1000": "kHz", "1000000": "MHz", "1000000000": "GHz"},
    "voltage": {"1": "V volt volts", "1/1000": "mV", "1000": "kV"},
    "current": {"1": "A amp amps ampere amperes", "1/1000": "mA"},
    "resistance": {"1": "Ω ohm ohms", "1000": "kΩ"},
    "data": {
        "1": "bit bits",
        "8": "B byte bytes",
        "8000": "kB KB kilobyte kilobytes",
        "8000000": "MB megabyte megabytes",
        "8000000000": "GB gigabyte gigabytes",
        "8000000000000": "TB terabyte terabytes",
    },
    "angle": {"1": "° deg degree degrees Grad"},
    "USD": {"1": "$ US$ USD dollar dollars Dollar dólares|US dollars", "1/100": "¢ cent cents Cent"},
    "EUR": {"1": "€ EUR euro euros Euro"},
    "GBP": {"1": "£ GBP pound pounds|pounds sterling", "1/100": "pence"},
    "JPY": {"1": "¥ JPY yen 円"},
    "CNY": {"1": "CNY RMB yuan 元"},
    "INR": {"1": "₹ INR Rs rupee rupees"},
}
_TEMPERATURES: Final = {
    Unit("temperature", Fraction(1)): "K kelvin kelvins",
    Unit("temperature", Fraction(1), Fraction("273.15")): (
        "°C C ℃ celsius|degrees celsius|degree celsius|grad celsius|degrees c|° c"
    ),
    Unit("temperature", Fraction(5, 9), Fraction("273.15") - Fraction(160, 9)): (
        "°F F ℉ fahrenheit|degrees fahrenheit|degree fahrenheit|degrees f|° f"
    ),
}


def _names(written: str) -> list[str]:
    """Split a row of names: the part before the first bar holds single words."""
    words, *phrases = written.split("|")
    return [*words.split(), *phrases]


_UNITS: Final = {
    **{
        name: Unit(dimension, Fraction(factor))
        for dimension, rows in _TABLE.items()
        for factor, written in rows.items()
        for name in _names(written)
    },
    **{name: unit for unit, written in _TEMPERATURES.items() for name in _names(written)},
}
#: Longer names may be written in any case; symbols may not: `mW` is no `MW`.
_FOLDED: Final = {name.lower(): unit for name, unit in _UNITS.items() if len(name) > 3}  # noqa: PLR2004 - symbols are short
#: Words of the longest name.
LONGEST: Final = max(len(name.split()) for name in _UNITS)


def find(name: str) -> Unit | None:
    """Return the unit of that name or symbol, or None."""
    return _UNITS.get(name) or _FOLDED.get(name.lower())
