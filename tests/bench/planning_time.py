"""What planning takes: prints a JSON line for each prompt, the median milliseconds of make_plan by policy, and with a
compliance policy, classification included, beside plain planning at the same moment: machines change their speed.

Run it with the suite's interpreter: `python tests/bench/planning_time.py`. All hosted providers and four models of the
operator's own are on offer, so that every shape has its full choice.
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import replace
from itertools import cycle, islice

from planner import catalog
from planner.compliance import matrix
from planner.compliance.officer import rule
from planner.compliance.policy import parse
from planner.plan import Request, make_plan
from planner.policies import POLICIES

_TIMES = 300
_PROVIDERS = frozenset({"openai", "anthropic", "google", "mistral", "deepseek", "xai"})
_LOCAL = ("qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b", "smollm2-135m", "mine")
_RULES = {
    "jurisdiction": ["EU", "US"],
    "frameworks": ["GDPR"],
    "block_data_classes": ["PII", "PHI", "FINANCIAL", "SECRETS"],
}
_PROSE = """
The model of a language and how people use tools to build systems that work well with others in many places, while time
goes by quickly every day for some reason (nobody can say why). Prices rose by 5% in 2019; rents did not. And then they
fell: which is better? „Größer“ ist nicht immer besser, und la vie est belle.

- one
- two"""

_TOLD = """She said that her phone, +49 30 901820, had been off since 12 March 2024, and that I should write to
anna.weber@example.org instead. My brother has asthma; he is 41 years old and takes salbutamol. The order 4829-1183-2291
for $1,299.50 was paid by card. Is the password in the vault, or in the key store? """


def _prose(words: int) -> str:
    return " ".join(islice(cycle(_PROSE.split(" ")), words))


def _median(request: Request, models: catalog.Catalog) -> float:
    spent = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        make_plan(request, models)
        spent.append(time.perf_counter() - began)
    return round(statistics.median(spent) * 1e3, 3)


def _under_policy(request: Request, models: catalog.Catalog, known: matrix.Matrix) -> dict[str, float]:
    """Return the medians of planning with and without a policy, taken in turns, in milliseconds, and their ratio."""
    bare, ruled = [], []
    available = models.available(request.providers, request.local_models)
    for _ in range(_TIMES):
        began = time.perf_counter()
        make_plan(request, models)
        bare.append(time.perf_counter() - began)
        began = time.perf_counter()
        decision = rule(parse(_RULES), (text for _, text in request.messages), available, known).decision
        make_plan(replace(request, barred=frozenset(decision.excluded)), models)
        assert decision.canonical
        ruled.append(time.perf_counter() - began)
    without, under = statistics.median(bare), statistics.median(ruled)
    return {
        "without": round(without * 1e3, 3),
        "with": round(under * 1e3, 3),
        "times": round(under / without, 2),
    }


def main() -> None:
    """Measure and print."""
    models, known = catalog.load(), matrix.load()
    prompts = {
        "12 words": "Explain how a small town can keep its young people from leaving",
        "400 words": _prose(400),
        "2000 words": _prose(2_000),
        "2000 words, Chinese": "我们去了海边。那里有很多船。今天天气很好。" * 190,
        "2000 words, Korean": "우리는 바다에 갔습니다. 배가 많았습니다. " * 330,
        "2000 words, Russian": "Мы пошли к морю, и там было много кораблей. " * 220,
        "2000 words, Arabic": "ذهبنا إلى البحر وكانت هناك سفن كثيرة والطقس جميل اليوم. " * 200,
        "2000 words, Hindi": "हम समुद्र गए और वहाँ बहुत सारे जहाज थे। आज मौसम अच्छा है। " * 143,
        "2000 words, Japanese": "海に行きました。船がたくさんありました。今日は天気がいいです。" * 130,
        "2000 words, German": "Größe ist nicht alles, sagte er, und ging über die Brücke zurück nach Hause. " * 143,
        "2000 words about people and their numbers": _TOLD * 40,
    }
    for name, text in prompts.items():
        figures: dict[str, float | dict[str, float]] = {}
        for policy in POLICIES:
            request = Request((("user", text),), policy, None, None, 1024, None, "", _PROVIDERS, _LOCAL, frozenset())
            figures[f"{policy}: {make_plan(request, models).strategy}"] = _median(request, models)
        figures["balanced, compliance policy"] = _under_policy(replace(request, policy="balanced"), models, known)
        print(json.dumps({"prompt": name, "milliseconds": figures}))


if __name__ == "__main__":
    main()
