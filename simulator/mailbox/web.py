"""The inboxes as web pages and as JSON. A message's HTML runs in a sandbox without scripts."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, abort, jsonify, redirect, render_template_string, request

from simulator.mailbox.messages import Messages

_STYLE = """<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1f2328}
table{border-collapse:collapse;width:100%} th,td{text-align:left;padding:.35rem .6rem;vertical-align:top;
border-bottom:1px solid #d0d7de;overflow-wrap:anywhere} pre{white-space:pre-wrap;background:#f6f8fa;
padding:1rem} iframe{width:100%;height:40rem;border:1px solid #d0d7de} .valid{color:#1a7f37}
.invalid,.unknown_key,.none{color:#9a6700}</style>"""

_LIST = (
    """<!doctype html><html lang="en"><title>Mailbox</title>"""
    + _STYLE
    + """<h1>Mailbox{% if to %}: {{ to }}{% endif %}</h1>
<p>{{ messages|length }} messages, newest first. <a href="/messages.json{% if to %}?to={{ to|urlencode }}
{%- endif %}">JSON</a></p>
<table><thead><tr><th>Received</th><th>To</th><th>Subject</th></tr></thead><tbody>
{% for message in messages %}<tr><td>{{ message.received_at.strftime("%Y-%m-%d %H:%M:%S") }}</td>
<td>{% for to in message.envelope_to %}<a href="/?to={{ to|urlencode }}">{{ to }}</a> {% endfor %}</td>
<td><a href="/messages/{{ message.id }}">{{ message.subject or "(no subject)" }}</a></td></tr>
{% endfor %}</tbody></table>
<form method="post" action="/clear"><button>Empty every inbox</button></form></html>"""
)

_MESSAGE = (
    """<!doctype html><html lang="en"><title>{{ message.subject }}</title>"""
    + _STYLE
    + """<p><a href="/">All messages</a> · <a href="/messages/{{ message.id }}.eml">Raw</a></p>
<h1>{{ message.subject or "(no subject)" }}</h1>
<p>DKIM: <strong class="{{ verdict.state }}">{{ verdict.state|replace("_", " ") }}</strong>
{% if verdict.domain %} for {{ verdict.domain }}, selector {{ verdict.selector }};
the unsubscribe headers are {{ "" if verdict.covers_unsubscribe else "not " }}covered{% endif %}.</p>
{% if message.html %}<h2>HTML</h2>
<iframe title="HTML part" sandbox="allow-popups allow-popups-to-escape-sandbox"
 srcdoc="{{ '<base target=_blank>' ~ message.html }}"></iframe>{% endif %}
<h2>Text</h2><pre id="text">{{ message.text }}</pre>
<h2>Headers</h2><table><tbody><tr><th>Envelope from</th><td>{{ message.envelope_from }}</td></tr>
<tr><th>Envelope to</th><td>{{ message.envelope_to|join(", ") }}</td></tr>
{% for name, value in message.headers() %}<tr><th>{{ name }}</th><td>{{ value }}</td></tr>{% endfor %}
</tbody></table></html>"""
)


def web_app(messages: Messages) -> Flask:
    """`/` (`?to=` one inbox), `/messages/1`, `/messages/1.eml`, `/messages.json?to=`, POST `/clear`."""
    app = Flask("simulator.mailbox")

    def find(message_id: int) -> Any:
        found = next((message for message in messages.all() if message.id == message_id), None)
        return found or abort(404)

    @app.get("/")
    def inbox() -> str:
        to = request.args.get("to", "")
        return render_template_string(_LIST, messages=messages.all(to)[::-1], to=to)

    @app.get("/messages/<int:message_id>")
    def message(message_id: int) -> str:
        found = find(message_id)
        return render_template_string(_MESSAGE, message=found, verdict=messages.verdict(found))

    @app.get("/messages/<int:message_id>.eml")
    def raw(message_id: int) -> Response:
        return Response(find(message_id).raw, content_type="message/rfc822")

    @app.get("/messages.json")
    def as_json() -> Response:
        found = messages.all(request.args.get("to", ""))
        return jsonify([message.as_json(messages.verdict(message)) for message in found])

    @app.post("/clear")
    def clear() -> Any:
        messages.clear()
        return redirect("/", 303)

    return app
