"""What stands beside the simulated API on plain HTTP: the OAuth token endpoint, and a page on which
a person plays the merchant who pauses and enables ads by hand in Google Ads."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, jsonify, redirect, render_template_string, request

from simulator.google_ads.access import Access
from simulator.google_ads.accounts import Accounts

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Simulated Google Ads</title>
<style>
 body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1f2328}
 table{border-collapse:collapse;width:100%} th,td{text-align:left;padding:.4rem .6rem;vertical-align:top;
 border-bottom:1px solid #d0d7de} td.url{word-break:break-all} .ENABLED{color:#1a7f37} .PAUSED{color:#9a6700}
 .REMOVED{color:#cf222e} form{display:inline} button{font:inherit}
</style>
<h1>Simulated Google Ads</h1>
<p>{{ ads|selectattr("status","equalto","ENABLED")|list|length }} of {{ ads|length }} ads and keywords
enabled.
The buttons act as the merchant's own hand.</p>
<table><thead><tr><th>Campaign</th><th>Ad group</th><th>Ad or keyword</th><th>Landing page</th><th>Status</th>
<th>By hand</th></tr></thead><tbody>
{% for ad in ads %}<tr><td>{{ ad.campaign }}{% if ad.campaign_status != "ENABLED" %}
 ({{ ad.campaign_status|lower }}){% endif %}</td>
<td>{{ ad.ad_group }}</td><td>{{ ad.name }} <small>({{ ad.kind }})</small></td>
<td class="url">{% for url in ad.final_urls %}<a href="{{ url }}">{{ url }}</a> {% endfor %}</td>
<td class="{{ ad.status }}">{{ ad.status|lower }}</td>
<td>{% if ad.status != "REMOVED" %}<form method="post" action="/status">
<input type="hidden" name="resource_name" value="{{ ad.resource_name }}">
<button name="status" value="{{ "PAUSED" if ad.status == "ENABLED" else "ENABLED" }}">
{{ "Pause" if ad.status == "ENABLED" else "Enable" }}</button></form>{% endif %}</td></tr>
{% endfor %}</tbody></table></html>"""


def web_app(accounts: Accounts, access: Access) -> Flask:
    """The WSGI app: `/`, `/status` (POST resource_name, status), `/state.json`, `/token`."""
    app = Flask("simulator.google_ads")

    @app.get("/")
    def page() -> str:
        return render_template_string(_PAGE, ads=accounts.snapshot())

    @app.get("/state.json")
    def state() -> Response:
        return jsonify({"ads": accounts.snapshot(), "operations": access.project.used})

    @app.post("/status")
    def set_status() -> Any:
        status: Any = request.form.get("status", "")
        try:
            accounts.set_status(request.form.get("resource_name", ""), status, by="merchant")
        except (KeyError, ValueError) as exc:
            return Response(f"refused: {exc}", 400, content_type="text/plain; charset=utf-8")
        return redirect("/", 303)

    @app.post("/token")
    def token() -> Any:
        if request.form.get("grant_type") != "refresh_token":
            return jsonify({"error": "unsupported_grant_type"}), 400
        form = {name: request.form.get(name, "") for name in ("client_id", "client_secret", "refresh_token")}
        status, body = access.issue(**form)
        return jsonify(body), status

    return app
