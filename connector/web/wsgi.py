"""The application for a web server: `connector.web.wsgi:app`, configured by the environment."""

from __future__ import annotations

from connector.bootstrap import Runtime
from connector.settings import load_settings
from connector.web.app import create_app

app = create_app(Runtime(load_settings()))
