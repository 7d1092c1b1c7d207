"""Every result of a query, page by page: any number of rows in little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from tidemill.core.query import Query, page_end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.ports.ledger import Ledger

T = TypeVar("T")


def every(ledger: Ledger, query: Query[T]) -> Iterator[T]:
    """Yield all results in the query's order; its `limit` is the size of a page.

    What is written meanwhile is seen if it comes later in the order.
    """
    while True:
        page = ledger.find(query)
        yield from page
        if len(page) < query.limit:
            return
        query = msgspec.structs.replace(query, after=page_end(query, page[-1]))
