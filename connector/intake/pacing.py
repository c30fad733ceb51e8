"""Whether a source's own platform allows a reading already: a reading that would be turned away is left out,
because it would be told as a failure and is none."""

from __future__ import annotations

from connector.intake.examine import read_source
from connector.intake.runtime import Runtime
from connector.ports.errors import PortError
from connector.ports.suppliers import Paces


def early_s(rt: Runtime, merchant_id: int, source_id: int) -> float:
    """Seconds until the platform has room for a whole reading of this source, 0 when it has or sets no pace.
    Raises LookupError for an unknown source."""
    with rt.engine.connect() as db:
        source = read_source(db, merchant_id, source_id)
    try:
        supplier = rt.supplier(merchant_id, source.connection_id)
    except PortError:
        # What is wrong with the connection is for its run to say.
        return 0.0
    return supplier.early_s() if isinstance(supplier, Paces) else 0.0
