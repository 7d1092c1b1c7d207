"""What the analyses promise. Rows that break a rule are put aside, named with their rule."""

from raw import GRAPES

import tidemill as tm


class Wines(tm.Contract):
    """One analysed wine a row."""

    key = ("wine_id",)
    min_rows = 100

    wine_id: str
    alcohol: float = tm.column(between=(8, 16), unit="percent by volume", reject=True)
    malic_acid: float = tm.column(between=(0, 10), unit="g/l")
    ash: float = tm.column(between=(0, 5), unit="g/l")
    alcalinity: float = tm.column(between=(5, 40), unit="meq/l")
    magnesium: float = tm.column(between=(50, 200), unit="mg/l")
    phenols: float = tm.column(between=(0, 6))
    flavanoids: float = tm.column(between=(0, 8))
    nonflavanoids: float = tm.column(between=(0, 2))
    proanthocyanins: float = tm.column(between=(0, 5))
    colour: float = tm.column(between=(0, 20), meaning="intensity")
    hue: float = tm.column(between=(0, 3))
    dilution: float = tm.column(between=(1, 5), meaning="OD280/OD315 of diluted wine")
    proline: float = tm.column(between=(100, 3000), unit="mg/l")
    grape: str = tm.column(one_of=GRAPES)

    parts_are_below_the_whole = tm.rule("flavanoids <= 2 * phenols")
