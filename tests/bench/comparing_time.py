"""What comparing answers takes: prints the median milliseconds of grouping five texts of 400 words, read included."""

from __future__ import annotations

import json
import random
import statistics
import time

from executor import agreement
from executor.plan import Model
from executor.reply import Reply

_TIMES = 200
_ANSWERS, _WORDS = 5, 400
#: Written for this; each answer takes its sentences in an order, and with a share, of its own.
_SENTENCES = """
The sky looks blue because air scatters short wavelengths of sunlight more strongly than long ones. This is known as
Rayleigh scattering, and its strength grows with the fourth power of the frequency. At noon the light comes from above
and takes a short way through the air. In the evening its way is about forty times as long, so most of the blue is gone
before it arrives, and what is left is red and orange. Violet is scattered even more than blue, but the sun sends less
of it, and our eyes see it less well. Clouds are white because their drops are larger than the wavelengths of all
colours and scatter each of them alike. On the Moon there is no air, and the sky is black by day. On Mars fine dust
gives the sky the colour of butter, while its sunsets are blue. Lord Rayleigh published the theory in 1871, and Einstein
derived it again in 1910 from the fluctuations of density. Whoever looks at the sky through a polarising filter sees it
darken at a right angle to the sun, which shows that the light has been scattered once.
""".replace("\n", " ").split(". ")


def _text(dice: random.Random) -> str:
    words: list[str] = []
    while len(words) < _WORDS:
        words += (dice.choice(_SENTENCES) + ".").split()
    return " ".join(words[:_WORDS])


def main() -> None:
    """Measure and print."""
    dice = random.Random(1)  # noqa: S311 - the same texts each time
    model = Model("m", "p", "m", "m", 100_000, 1, 1, 0.8)
    spent = []
    for _ in range(_TIMES):
        replies = [Reply(_text(dice), "stop", model, stage) for stage in range(_ANSWERS)]
        began = time.perf_counter()
        agreement.cluster(replies)
        spent.append((time.perf_counter() - began) * 1e3)
    print(
        json.dumps(
            {
                "what": f"grouping {_ANSWERS} texts of {_WORDS} words",
                "p50_ms": round(statistics.median(spent), 3),
                "p95_ms": round(statistics.quantiles(spent, n=20)[18], 3),
            }
        )
    )


if __name__ == "__main__":
    main()
