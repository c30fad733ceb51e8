"""The runtime of the installation serves the shoppers' room, whatever the handlers are declared as."""

from connector.bootstrap import Runtime
from connector.delivery.plans import PlansRuntime
from connector.delivery.scripts import ScriptRuntime
from connector.installs.runtime import InstallsRuntime
from connector.search.connect import ConnectRuntime
from connector.shoppers.runtime import ShopperRuntime


def serves_shoppers(rt: Runtime) -> ShopperRuntime:
    return rt


def serves_installs(rt: Runtime) -> InstallsRuntime:
    return rt


def serves_scripts(rt: Runtime) -> ScriptRuntime:
    return rt


def serves_search(rt: Runtime) -> ConnectRuntime:
    return rt


def serves_plans(rt: Runtime) -> PlansRuntime:
    return rt
