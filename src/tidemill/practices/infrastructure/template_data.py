"""The data of the templates: made up, plausible, and the same on every machine."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)


def flats() -> Iterator[str]:
    """Yield 1,200 flats that were sold, as lines of CSV; there is no time in them."""
    made = _random()
    districts = {"centre": 6200, "harbour": 5100, "hill": 4500, "station": 3600}
    yield "flat_id,district,area_m2,rooms,built,floor,has_lift,price_eur\n"
    for number in range(1200):
        district = made.choice(sorted(districts))
        area = round(min(max(made.lognormvariate(4.25, 0.38), 18), 260), 1)
        rooms = max(1, min(9, round(area / 27 + made.gauss(0, 0.5))))
        built = made.choice([made.randint(1890, 1930), made.randint(1950, 1985),
                             made.randint(1990, 2024)])  # fmt: skip
        floor = min(int(made.expovariate(0.45)), 9)
        has_lift = int(made.random() < (0.25 if built < 1950 else 0.45 if floor < 3 else 0.8))
        price = area**0.97 * districts[district] * (0.82 + 0.003 * max(built - 1950, 0))
        price *= 1 + 0.012 * floor * (1 if has_lift else -1)
        price *= made.lognormvariate(0, 0.11)
        known = built if made.random() > 0.04 else ""
        yield _line(f"f{number:04d}", district, area, rooms, known, floor, has_lift,
                    round(price, -2))  # fmt: skip


def sales() -> Iterator[str]:
    """Yield what eight shops sold on each of 181 days, as lines of CSV."""
    made = _random()
    shops = [f"s{number}" for number in range(1, 9)]
    size = {shop: made.uniform(60, 240) for shop in shops}
    trend = {shop: made.uniform(-0.0015, 0.003) for shop in shops}
    level = dict.fromkeys(shops, 0.0)
    yield "sale_id,shop,at,closed_at,weekday,is_holiday,sold\n"
    for day in range(181):
        opens = _FIRST_DAY + timedelta(days=day, hours=8)
        is_holiday = int(day % 37 == 5)
        for shop in shops:
            level[shop] = 0.8 * level[shop] + made.gauss(0, 0.08)
            week = 1 + 0.25 * math.sin(2 * math.pi * (opens.weekday() - 1) / 7)
            mean = size[shop] * week * (1 + trend[shop] * day) * math.exp(level[shop])
            sold = max(0, round(mean * (0.5 if is_holiday else 1) + made.gauss(0, math.sqrt(mean))))
            closes = opens + timedelta(hours=12)
            yield _line(f"{shop}-{day:03d}", shop, f"{opens:%Y-%m-%dT%H:%M:%SZ}",
                        f"{closes:%Y-%m-%dT%H:%M:%SZ}", opens.isoweekday(), is_holiday,
                        sold)  # fmt: skip


_DESKS = {
    "billing": (
        "invoice", "charged twice", "refund for the wrong amount", "credit card", "direct debit",
        "payment", "price on the bill",
    ),
    "delivery": (
        "parcel", "courier", "delivery date", "tracking number", "late shipment", "wrong address",
        "package at the neighbour",
    ),
    "returns": (
        "send it back", "exchange for another size", "return label", "does not fit",
        "broken on arrival", "money back for the shoes", "wrong colour",
    ),
    "technical": (
        "login", "password", "app crashes", "website error", "cannot open my account",
        "update on my phone", "confirmation mail never came",
    ),
}  # fmt: skip
_BEGINNINGS = (
    "Hello and good morning; I have a question about the {}", "Please help me with the {}",
    "It is about the {}", "For days I have waited because of the {}", "I am writing about the {}",
    "Once more: the {}",
)  # fmt: skip
_ENDS = (
    "and nobody answers the phone", "for my last order", "what can I do", "thank you",
    "this is the third time", "could you look into it", "my order number is {}", "it is urgent",
)  # fmt: skip


def messages() -> Iterator[str]:
    """Yield 1,000 messages of customers and the desk that answered each, as lines of CSV."""
    made = _random()
    yield "message_id,text,desk\n"
    for number in range(1000):
        desk = made.choice(sorted(_DESKS))
        # Some people mix things up, and some messages went to another desk than one would think.
        about = made.sample(_DESKS[desk], 2)
        if made.random() < 0.25:
            about[1] = made.choice(_DESKS[made.choice(sorted(_DESKS))])
        begin = made.choice(_BEGINNINGS).format(about[0])
        end = made.choice(_ENDS).format(made.randint(10000, 99999))
        answered = desk if made.random() > 0.04 else made.choice(sorted(_DESKS))
        yield _line(f"m{number:04d}", f"{begin} and the {about[1]}; {end}", answered)


def machines() -> Iterator[str]:
    """Yield a week of 1,000 machines and whether each failed after it, as lines of CSV."""
    made = _random()
    yield "machine_id,age_years,temperature_c,vibration_mm_s,load_share,has_failed\n"
    for number in range(1000):
        age = round(made.uniform(0.2, 15), 1)
        load = round(made.betavariate(4, 2), 3)
        temperature = round(38 + 28 * load + 0.6 * age + made.gauss(0, 4), 1)
        vibration = round(made.lognormvariate(0.5 + 0.05 * age, 0.4), 2)
        leaning = -8.5 + 0.13 * (temperature - 40) + 0.9 * vibration + 0.15 * age
        has_failed = int(made.random() < 1 / (1 + math.exp(-leaning)))
        yield _line(f"k{number:04d}", age, temperature, vibration, load, has_failed)


def _random() -> random.Random:
    return random.Random(7)  # noqa: S311 - data that must be the same everywhere


def _line(*cells: object) -> str:
    return ",".join(map(str, cells)) + "\n"
