"""`python -m connector.cli`: the same as `dispo`."""

from connector.cli import main

main()
