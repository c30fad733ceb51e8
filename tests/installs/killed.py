"""A worker process that is killed between Shopify's answer and the commit: the other half of `test_access`."""

from __future__ import annotations

import os
import signal
from typing import Any

from connector.accounts import access
from connector.bootstrap import Runtime
from connector.settings import Settings


def renew(settings: Settings, merchant_id: int, connection_id: int) -> None:
    def die(*given: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    access.store_grant = die
    Runtime(settings).store(merchant_id, connection_id).check()
