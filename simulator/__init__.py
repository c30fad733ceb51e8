"""Loopback platforms that enforce the real rules, with fault dials, a storefront and a mailbox.

The real adapters talk to them over the platforms' own protocols; nothing in `connector` or `adapters`
knows that they exist. A simulator is checked against recordings of real servers.
"""
