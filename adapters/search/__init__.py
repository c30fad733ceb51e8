"""Search engines: what they know of a shop's product pages. One folder or module a platform."""
