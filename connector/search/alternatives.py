"""Where to lead the visitors of a page that has nothing to sell: a page of the same store that has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from rapidfuzz import fuzz, process, utils

MOST_CANDIDATES = 5_000
"""Of a store's pages that sell, the most clicked so many are compared."""
LEAST_SCORE = 60
"""Of 100 for titles of the same words; below, nothing is proposed rather than something far-fetched."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A page that sells: its store, its title and address, and its collection, "" where it has none."""

    store_id: int
    page_key: str
    title: str
    url: str
    collection: str = ""


def nearest(page: Candidate, candidates: Sequence[Candidate]) -> Candidate | None:
    """The candidate whose title has most in common with the page's, of its collection where it has one with
    candidates; the earlier one of equals. None where nothing comes near; of its collection the first then."""
    others = [one for one in candidates if one.page_key != page.page_key]
    same = [one for one in others if page.collection and one.collection == page.collection]
    among = same or others
    found = process.extractOne(
        page.title,
        [one.title for one in among],
        scorer=fuzz.token_set_ratio,
        processor=utils.default_process,
        score_cutoff=LEAST_SCORE,
    )
    if found is not None:
        return among[found[2]]
    return same[0] if same else None


def alternatives(db: sa.Connection, merchant_id: int, page_keys: list[str]) -> dict[str, tuple[str, str]]:
    """Title and address of a page to lead shoppers to instead, for those of the pages that have one."""
    pages = [Candidate(*row) for row in db.execute(_PAGES, {"m": merchant_id, "keys": page_keys})]
    by_store: dict[int, list[Candidate]] = defaultdict(list)
    for store_id in sorted({page.store_id for page in pages}):
        given = {"m": merchant_id, "s": store_id, "most": MOST_CANDIDATES}
        by_store[store_id] = [Candidate(*row) for row in db.execute(_SELLING, given)]
    found = {page.page_key: nearest(page, by_store[page.store_id]) for page in pages}
    return {key: (one.title, one.url) for key, one in found.items() if one is not None}


_PAGES = sa.text("""
    select distinct on (s.page_key) l.connection_id, s.page_key, l.title, s.url, coalesce(v.collection, '')
      from search_page s
      join listing l on l.merchant_id = s.merchant_id and l.connection_id = s.store_id
       and l.product_id = s.product_id
      left join variant v on v.merchant_id = l.merchant_id and v.id = l.variant_id
     where s.merchant_id = :m and s.page_key = any(:keys)
     order by s.page_key, l.id
""")

_SELLING = sa.text("""
    select o.connection_id, o.page_key, min(o.title) as title, min(o.url) as url,
           coalesce(min(v.collection), '') as collection
      from listing o
      join position p on p.merchant_id = o.merchant_id and p.variant_id = o.variant_id
      left join variant v on v.merchant_id = o.merchant_id and v.id = o.variant_id
      left join search_page s on s.merchant_id = o.merchant_id and s.page_key = o.page_key
     where o.merchant_id = :m and o.connection_id = :s and o.is_published and not o.is_gone and o.is_managed
       and p.available > 0 and o.url <> '' and o.page_key <> ''
     group by o.connection_id, o.page_key
     order by coalesce(max(s.clicks), 0) desc, max(p.available) desc, o.page_key
     limit :most
""")
