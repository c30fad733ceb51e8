"""Which location of a store is read and written. The rule:

1. The location the merchant chose, and no other: when it is closed or deleted, nothing is written until they
   choose again, because numbers of one place are not those of another.
2. Else the store's default location. Storefronts sell from that one alone, unless BigCommerce support enabled
   aggregated stock. When the merchant makes another one the default, Dispo follows with its next reading.
3. Else, where BigCommerce names no default, the only open location; with several the merchant must choose.

A closed location is never written: BigCommerce keeps its numbers but sells none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapters.stores.bigcommerce.client import ADAPTER, BigCommerceClient
from adapters.stores.bigcommerce.shapes import Surroundings
from connector.ports.errors import Misconfigured, PortError

PATH = "/v3/inventory/locations"


def all_places(client: BigCommerceClient, **query: str) -> list[dict[str, Any]]:
    """The store's locations as BigCommerce gives them."""
    return [row for rows in client.pages(PATH, query) for row in rows if "id" in row]


def own_place(client: BigCommerceClient, chosen: str | None) -> str:
    """The id of the location that is read and written. Raises Misconfigured(field="location_id")."""
    places = all_places(client)
    defaults = [] if chosen else [str(one["id"]) for one in all_places(client, is_default="true")]
    return pick(places, defaults, chosen)


def pick(places: Sequence[Mapping[str, Any]], defaults: Sequence[str], chosen: str | None) -> str:
    """The rule. `defaults` are the ids of the default locations, one where all is well.

    >>> pick([{"id": 1, "enabled": True}, {"id": 7, "enabled": True}], ["1"], None)
    '1'
    """
    by_id = {str(one["id"]): one for one in places}
    wanted = chosen or (defaults[0] if len(defaults) == 1 else None)
    if wanted is None:
        open_ids = [place_id for place_id, one in by_id.items() if one.get("enabled") is True]
        if len(open_ids) == 1:
            return open_ids[0]
        raise _wrong("BigCommerce does not say which location is the default one.", "Choose one", places)
    if wanted not in by_id:
        raise _wrong(f"The store has no location {wanted} any more.", "Choose another one", places)
    if by_id[wanted].get("enabled") is not True:
        what = "location" if chosen else "default location"
        raise _wrong(
            f"The {what} {_name(by_id[wanted])} is closed, so BigCommerce sells nothing of it.",
            "Open it in BigCommerce, or choose another one",
            places,
        )
    return wanted


def problem_of(places: Sequence[Mapping[str, Any]], location_id: str) -> str | None:
    """Why nothing can be written at one of several chosen locations; None where it can.

    >>> problem_of([{"id": 1, "label": "Cellar", "enabled": False}], "1")
    'The location “Cellar” is closed, so BigCommerce sells nothing of it. Open it in BigCommerce.'
    """
    found = next((one for one in places if str(one["id"]) == location_id), None)
    if found is None:
        return f"The store has no location {location_id} any more. Take it off the written locations."
    if found.get("enabled") is not True:
        return f"The location {_name(found)} is closed, so BigCommerce sells nothing of it. Open it in BigCommerce."
    return None


def surroundings(
    around: Surroundings,
    location_ids: Sequence[str],
    own: str | None,
    places: Callable[[], Sequence[Mapping[str, Any]]],
) -> list[Surroundings]:
    """`around` at each of these locations, itself where none is named. A closed one does not stop the others."""
    if not location_ids:
        return [around]
    known = places()
    return [
        replace(
            around,
            location_id=location_id,
            is_own=location_id == (own or location_ids[0]),
            problem=problem_of(known, location_id),
        )
        for location_id in location_ids
    ]


def ensure_open(client: BigCommerceClient, location_id: int) -> None:
    """Raise Misconfigured when a location was closed or deleted since it was picked; nothing when it is open
    or cannot be asked about."""
    try:
        places = all_places(client)
    except PortError:
        return  # what this is asked for has its own error
    pick(places, (), str(location_id))


def _wrong(cause: str, remedy: str, places: Sequence[Mapping[str, Any]]) -> Misconfigured:
    names = [f"{_name(one)} ({one['id']})" for one in places if one.get("enabled") is True]
    listed = f": {', '.join(names[:8])}" if names else ""
    return Misconfigured(ADAPTER, "the written location", cause, f"{remedy}{listed}.", field="location_id")


def _name(place: Mapping[str, Any]) -> str:
    return f"“{place.get('label') or place['id']}”"
