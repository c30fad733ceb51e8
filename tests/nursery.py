"""What the fork server of the tests imports once, so that no process of a test has to. Opens nothing: a
connection made here would be shared by all of them."""

import adapters.stores.bigcommerce
import adapters.stores.shopify
import adapters.stores.woocommerce
import benchmarks.kills
import benchmarks.storm
import tests.delivery.test_import_killed
import tests.installs.killed
import tests.outbox.racers
import tests.shared_racers
import tests.shoppers.sender

__all__ = ["adapters", "benchmarks", "tests"]
