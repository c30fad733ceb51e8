"""Every message to shoppers as its reader sees it, in each language and by each way, and a test to oneself."""

from __future__ import annotations

from flask import Blueprint, Response, abort, g, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from connector import i18n
from connector.ports.errors import PortError
from connector.shoppers.previews import PAGE, TESTS_PER_HOUR, TooManyTests, as_shown, preview, send_test
from connector.shoppers.render import KINDS, Kind
from connector.web.view import chosen_locale, flash, gettext, page, reading, runtime

routes = Blueprint("message_previews", __name__)


def _asked(given: object) -> tuple[Kind, str]:
    """The kind and the language that are asked for; 404 for what there is none of."""
    get = given.get  # type: ignore[attr-defined]
    kind, locale = get("kind", KINDS[0]), get("locale", chosen_locale())
    if kind not in KINDS or locale not in i18n.locales():
        abort(404)
    return kind, locale


@routes.get(PAGE)
def show() -> BaseResponse:
    kind, locale = _asked(request.args)
    return _page(kind, locale, None, 200)


def _page(kind: Kind, locale: str, problem: PortError | str | None, status: int) -> Response:
    rt = runtime()
    with reading() as db:
        shown = preview(rt, db, g.merchant_id, kind, locale)
    return page(
        "message_previews",
        status,
        kinds=KINDS,
        kind=kind,
        locale_shown=locale,
        shown=shown,
        width="phone" if request.args.get("width") == "phone" else "desktop",
        is_dark=request.args.get("colors") == "dark",
        problem=problem,
    )


@routes.get(f"{PAGE}/mail")
def mail() -> Response:
    """The HTML of the mail alone, for the frame on the page: it runs nothing and leads nowhere."""
    kind, locale = _asked(request.args)
    with reading() as db:
        html = preview(runtime(), db, g.merchant_id, kind, locale).mail.html
    return shown_mail(html, is_dark=request.args.get("colors") == "dark")


def shown_mail(html: str, *, is_dark: bool = False) -> Response:
    """A mail alone, for a frame on a page: it runs nothing and leads nowhere."""
    answer = Response(as_shown(html, is_dark=is_dark), content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:; sandbox; form-action 'none'; "
        "base-uri 'none'; frame-ancestors 'self'"
    )
    return answer


@routes.post(f"{PAGE}/test")
def test() -> BaseResponse:
    """Send it to the address of whoever is signed in, and to nobody else."""
    kind, locale = _asked(request.form)
    to = g.account.email
    try:
        send_test(runtime(), g.merchant_id, kind, locale, to=to, actor=to)
    except TooManyTests:
        said = gettext("%(count)s tests were sent within an hour. Try again later.", count=TESTS_PER_HOUR)
        return _page(kind, locale, said, 429)
    except PortError as error:
        return _page(kind, locale, error, 422)
    flash(gettext("Sent to %(address)s, marked as a test.", address=to))
    return redirect(f"{PAGE}?kind={kind}&locale={locale}", 303)
