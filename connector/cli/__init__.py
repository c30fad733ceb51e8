"""`dispo`: everything an operator does, on the command line. Each command takes --json.

Exit code 0 only on success; 1 when something failed (the message says what to do); 2 for wrong usage.
Secrets come from a prompt, a file or the environment, never from an argument that a process list shows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from connector.accounts.merchants import AccountError
from connector.cli.accounts import COMMANDS as ACCOUNTS
from connector.cli.ads import COMMANDS as ADS
from connector.cli.at_risk import COMMANDS as AT_RISK
from connector.cli.brought import COMMANDS as BROUGHT
from connector.cli.channels import COMMANDS as CHANNELS
from connector.cli.delivery import COMMANDS as DELIVERY
from connector.cli.frame import fail
from connector.cli.guard import COMMANDS as GUARD
from connector.cli.locations import command as store_locations  # noqa: F401 - a command of `dispo store`
from connector.cli.mapping import COMMANDS as MAPPING
from connector.cli.matching import COMMANDS as MATCHING
from connector.cli.places import COMMANDS as PLACES
from connector.cli.prices import COMMANDS as PRICES
from connector.cli.privacy import COMMANDS as PRIVACY
from connector.cli.promises import COMMANDS as PROMISES
from connector.cli.rates import COMMANDS as RATES
from connector.cli.rules import COMMANDS as RULES
from connector.cli.runs import COMMANDS as RUNS
from connector.cli.search import COMMANDS as SEARCH
from connector.cli.service import COMMANDS as SERVICE
from connector.cli.shadow import shadow  # noqa: F401 - a command of `dispo store`
from connector.cli.shoppers import COMMANDS as SHOPPERS
from connector.cli.shoppers_worth import worth  # noqa: F401 - a command of `dispo shoppers`
from connector.cli.stores import COMMANDS as STORES
from connector.cli.suppliers import COMMANDS as SUPPLIERS
from connector.crypto import SealBroken
from connector.embedded import EmbeddedError
from connector.ports.errors import PortError
from connector.settings import SettingsError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Dispo keeps a shop's stock true: quantities, badges, restock dates, alerts and ads."""


for command in (
    *SERVICE,
    *ACCOUNTS,
    *STORES,
    *PLACES,
    *PRICES,
    *SUPPLIERS,
    *MAPPING,
    *GUARD,
    *MATCHING,
    *BROUGHT,
    *RULES,
    *RATES,
    *RUNS,
    *PROMISES,
    *AT_RISK,
    *SHOPPERS,
    *DELIVERY,
    *ADS,
    *SEARCH,
    *CHANNELS,
    *PRIVACY,
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: turns every expected error into one clear message and exit code 1. Always ends
    with SystemExit."""
    try:
        # Without its standalone mode click returns the code a command ended with.
        sys.exit(cli.main(arguments, prog_name="dispo", standalone_mode=False) or 0)
    except click.Abort:
        fail("Stopped.", code=130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (PortError, SettingsError, AccountError, SealBroken, EmbeddedError) as error:
        fail(str(error))
