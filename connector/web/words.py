"""The words of states, causes and statuses in the merchant's language; the same as the shopper reads
where both see the same thing."""

from __future__ import annotations

from collections.abc import Callable

from connector.i18n import SOURCE_LOCALE, gettext, ngettext
from connector.sentences import said
from connector.shoppers.words import script_words


class Words:
    """Says the product's fixed vocabulary in one language. Unknown words come back as they are."""

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self._say = gettext(locale)
        self._count = ngettext(locale)
        self._shop = script_words(locale)

    def state(self, state: str) -> str:
        """An availability state, in the words of the shop's badge."""
        return self._shop.get(state, state) if state else self._say("Not decided yet")

    def run_status(self, status: str) -> str:
        _ = self._say
        return {
            "running": _("Running"),
            "unchanged": _("Nothing new"),
            "applied": _("Applied"),
            "partly_held": _("Partly held"),
            "held": _("Held"),
            "rejected": _("Rejected"),
            "undone": _("Undone"),
            "failed": _("Failed"),
            "preview": _("Preview"),
        }.get(status, status)

    def run_stage(self, stage: str) -> str:
        _ = self._say
        return {
            "fetch": _("fetching"),
            "read": _("reading"),
            "parse": _("reading"),
            "guard": _("checking"),
            "compare": _("comparing"),
            "write": _("writing"),
            "match": _("matching"),
            "decide": _("deciding"),
            "done": _("done"),
        }.get(stage, stage)

    def held(self, reason: str) -> str:
        """Why a file or a row was held."""
        _ = self._say
        return {
            "column_shift": _("The columns seem to have moved"),
            "rows_vanished": _("Many rows are gone"),
            "keys_changed": _("The item codes seem to have changed"),
            "many_to_zero": _("Many items would go to zero"),
            "all_equal": _("All quantities are the same"),
            "unit_change": _("The unit seems to have changed"),
            "stale_file": _("The file is older than the last one"),
            "truncated": _("The file is cut off"),
            "decimal_change": _("The quantities have decimals"),
            "wild_change": _("The quantities jump up and down"),
            "duplicate_rows": _("Many items are there twice"),
            "wrong_encoding": _("The letters seem to be in another encoding"),
            "unusual": _("Several things are unusual at once"),
            "large_change": _("Unusually large change"),
            "missing": _("Not in the file any more"),
            "faulty": _("Its row cannot be read"),
        }.get(reason, reason)

    def sign(self, name: str) -> str:
        """What the guard counts in a supplier's file."""
        _ = self._say
        return {
            "lost": _("Missing items"),
            "to_zero": _("Items going to zero"),
            "unreadable": _("Unreadable quantities"),
            "duplicates": _("Items on several lines"),
            "fractions": _("Quantities with decimals"),
            "wild": _("Quantities that double or halve"),
            "unit": _("Quantities that move by one factor"),
        }.get(name, name)

    def fault(self, code: str) -> str:
        """What is wrong with a file that was not used, or why nothing could be fetched."""
        _ = self._say
        return {
            "bad_encoding": _("The letters of the file cannot be read"),
            "bad_json": _("The file is not valid JSON"),
            "empty": _("The file is empty"),
            "html_page": _("A web page came instead of a file"),
            "mapping_needed": _("The columns must be named first"),
            "missing_column": _("A column is missing"),
            "no_table": _("There is no table in the file"),
            "rows_unclear": _("Say whether a row is a product or a variant"),
            "too_large": _("The file is too large"),
            "truncated": _("The file is cut off"),
            "unsupported_format": _("This kind of file is not known"),
            "Unauthorized": _("The supplier refused the key"),
            "Misconfigured": _("A setting is wrong"),
            "NotFound": _("There is nothing at this address"),
            "Retryable": _("The supplier could not be reached"),
            "RateLimited": _("The supplier asks to wait"),
            "quarantined": _("This file was rejected before"),
            "waiting": _("The same file waits for your answer"),
            "superseded": _("A newer file was accepted"),
            "interrupted": _("The run was interrupted"),
            "not_kept": _("The file is not kept any more"),
            "damaged": _("The kept file is damaged"),
            "too_slow": _("The file is too large to try here"),
        }.get(code, _("It could not be used"))

    def trigger(self, trigger: str) -> str:
        _ = self._say
        return {
            "schedule": _("on schedule"),
            "hand": _("by hand"),
            "manual": _("by hand"),
            "cli": _("by hand"),
            "upload": _("uploaded"),
            "push": _("sent by the supplier"),
            "approval": _("after approval"),
            "replay": _("a kept file read again"),
        }.get(trigger, trigger)

    def cause(self, cause: str, run_id: int | None = None, reference: str = "") -> str:
        """Why a number moved."""
        _ = self._say
        if cause == "run" and run_id:
            return _("run %(id)s", id=run_id)
        said = {
            "run": _("supplier's file"),
            "order": _("order"),
            "fall": _("sale in the store"),
            "undo": _("undo"),
            "rule": _("your rules"),
            "price": _("your rules for prices"),
            "time": _("time passed"),
            "catalogue": _("catalogue"),
            "repair": _("repair"),
            "live": _("supplier asked after an order"),
            "incoming": _("on its way to the store"),
            "unchanged": _("supplier confirmed"),
        }.get(cause, cause)
        return f"{said} {reference}".strip() if cause == "order" else said

    def message_status(self, status: str) -> str:
        _ = self._say
        return {
            "waiting": _("Waiting"),
            "sending": _("Sending"),
            "sent": _("Sent"),
            "failed": _("Failed"),
            "unknown": _("Unknown"),
            "skipped": _("Not needed"),
        }.get(status, status)

    def message_kind(self, kind: str) -> str:
        _ = self._say
        return {
            "confirm": _("Confirmation"),
            "back_in_stock": _("Back in stock"),
            "date_slipped": _("Later than told"),
            "alternatives": _("Similar products"),
        }.get(kind, kind.replace("_", " ").capitalize())

    def subscription(self, status: str) -> str:
        _ = self._say
        return {
            "unconfirmed": _("Not confirmed"),
            "waiting": _("Waiting"),
            "invited": _("Invited"),
            "fulfilled": _("Told"),
            "ended": _("Ended"),
        }.get(status, status)

    def ad_status(self, status: str) -> str:
        _ = self._say
        return {"enabled": _("Running"), "paused": _("Paused"), "removed": _("Removed")}.get(status, status)

    def ad_action(self, action: str) -> str:
        _ = self._say
        return {
            "pause": _("Paused"),
            "resume": _("Resumed"),
            "release": _("Left alone"),
            "hold": _("Asked first"),
        }.get(action, action)

    def ad_outcome(self, outcome: str) -> str:
        _ = self._say
        return {
            "done": _("done"),
            "held": _("waits for you"),
            "failed": _("failed"),
            "rejected": _("refused"),
            "retry": _("again later"),
            "not verified": _("not verified"),
            "not_found": _("gone"),
        }.get(outcome, outcome)

    def kind(self, kind: str) -> str:
        """A kind of connection."""
        _ = self._say
        return {
            "store": _("Store"),
            "supplier": _("Supplier"),
            "ads": _("Ads"),
            "channel": _("Messages"),
            "search": _("Search engines"),
        }.get(kind, kind)

    def health(self, level: str) -> str:
        _ = self._say
        return {
            "good": _("Working"),
            "wait": _("Waiting for you"),
            "warn": _("Look at this"),
            "stop": _("Stopped"),
        }.get(level, level)

    def note_mode(self, mode: str) -> str:
        """What Dispo writes into a store's own fields about availability."""
        _ = self._say
        return {
            "off": _("nothing, the text is mine"),
            "text": _("the text"),
            "preorder": _("the text, and pre-order with its day for what is sold ahead"),
        }.get(mode, mode)

    def consent(self, kind: str) -> str:
        """A kind of script in a store's consent banner."""
        _ = self._say
        return {
            "essential": _("essential"),
            "functional": _("functional"),
            "analytics": _("analytics"),
            "targeting": _("advertising"),
        }.get(kind, kind)

    def topic(self, topic: str) -> str:
        _ = self._say
        return {
            "store.quantity": _("Quantities to stores"),
            "store.badge": _("Badges to stores"),
            "store.receipts": _("News from stores"),
            "store.script": _("Badge and form in stores' pages"),
            "store.price": _("Prices to stores"),
            "store.place": _("Places in stores' lists"),
            "store.care": _("Refunds and other choices of customers"),
            "supplier.orders": _("New orders asked of suppliers"),
            "shoppers.position": _("Looking who to tell"),
            "shoppers.code": _("Discount codes to take back"),
            "message.email": _("E-mails to shoppers"),
            "message.sms": _("Text messages to shoppers"),
            "message.push": _("Notifications to shoppers"),
            "message.event": _("Events to marketing systems"),
            "message.order": _("Messages about orders at risk"),
            "message.notice": _("Notices to you"),
            "installs.ended": _("Stores that left"),
            "installs.privacy": _("Privacy requests"),
            "ads.position": _("Ads to check"),
        }.get(topic, topic)

    def basis(self, basis: str) -> str:
        """What a restock date rests on."""
        _ = self._say
        return {
            "stated": _("stated by the supplier"),
            "lead_time": _("from the supplier's lead time"),
            "shipment": _("from a shipment on its way"),
            "incoming": _("from an open purchase order"),
        }.get(basis, basis)

    def verdict(self, verdict: str) -> str:
        """What a record of restock dates comes to."""
        _ = self._say
        return {
            "target": _("a target so far"),
            "kept": _("kept"),
            "missed": _("missed"),
            "open": _("near the target"),
        }.get(verdict, verdict)

    def how(self, how: str) -> str:
        """How a supplier's item was matched."""
        _ = self._say
        return {
            "sku": _("same SKU"),
            "gtin": _("same barcode"),
            "supplier_sku": _("supplier's SKU"),
            "hand": _("by hand"),
        }.get(how, how)

    def action(self, action: str) -> str:
        """What somebody did, as in the audit log."""
        _ = self._say
        return {
            "user.sign_in": _("signed in"),
            "user.password": _("changed the password"),
            "store.approve": _("approved writing"),
            "store.install": _("installed Dispo"),
            "store.install_again": _("installed Dispo again"),
            "store.access_renewed": _("gave Dispo access again"),
            "store.location": _("chose the written location"),
            "store.locations": _("chose the written locations"),
            "store.grants": _("changed what Dispo may read"),
            "store.join_agreed": _("agreed to use this account in a store's admin"),
            "store.join": _("brought a store's admin and this account together"),
            "store.left": _("removed Dispo"),
            "store.notes": _("chose what a store's own availability text says"),
            "store.script": _("changed badge and form in a store's pages"),
            "store.script_mended": _("put badge and form back into a store's pages"),
            "connection.refused": _("lost its access to the store"),
            "privacy.export": _("passed on a data request"),
            "privacy.erase_person": _("asked to forget a customer"),
            "privacy.erase_shop": _("asked to erase the store"),
            "privacy.fetch": _("downloaded a customer's data"),
            "privacy.done": _("ended a privacy request"),
            "store.stop_writing": _("stopped writing"),
            "store.go_on": _("went on writing"),
            "store.watch": _("had a store watched"),
            "store.watch_end": _("had a store watched no longer"),
            "settings.import": _("brought settings along"),
            "settings.import_undo": _("took brought settings back"),
            "ads.stop": _("stopped changing ads"),
            "ads.go_on": _("went on with ads"),
            "ads.approve": _("approved many pauses"),
            "ads.dry_run": _("switched the dry run"),
            "search.connect": _("connected a search engine"),
            "search.disconnect": _("disconnected a search engine"),
            "search.dismiss": _("dismissed a finding"),
            "search.undismiss": _("took a finding back"),
            "search.days": _("changed what counts as long sold out"),
            "run.approve": _("approved a run"),
            "run.reject": _("rejected a run"),
            "run.undo": _("undid a run"),
            "run.approve_rows": _("approved rows of a run"),
            "run.reject_rows": _("rejected rows of a run"),
            "message.resend": _("sent a message again"),
            "rules.save": _("changed rules"),
            "stock_rule.save": _("changed rules of suppliers, collections or products"),
            "delivery.save": _("changed how you ship"),
            "price_rule.save": _("changed a rule for prices"),
            "prices.approve": _("approved writing prices"),
            "prices.off": _("stopped writing prices"),
            "prices.undo": _("had earlier prices put back"),
            "prices.hand_over": _("handed prices over to the rules"),
            "prices.change": _("wrote prices"),
            "price_stops.change": _("stopped or resumed sales below the floor"),
            "price_stops.approve": _("approved stopping sales below the floor"),
            "plan.change": _("has another plan"),
            "plan.seen": _("read what changed in the plan"),
            "connection.pause": _("paused a connection"),
            "connection.resume": _("resumed a connection"),
            "connection.read": _("asked for a reading"),
            "merchant.freeze": _("froze everything"),
            "merchant.go_on": _("let everything go on"),
        }.get(action, action)

    def feature(self, feature: str) -> str:
        """What a plan may limit."""
        _ = self._say
        return {
            "stores": _("Stores"),
            "suppliers": _("Suppliers"),
            "listings": _("Listings under management"),
        }.get(feature, feature)

    def plan_state(self, state: str) -> str:
        """How it stands with a shop's subscription."""
        _ = self._say
        return {
            "unknown": _("Not read yet"),
            "none": _("No plan chosen"),
            "trial": _("Trial"),
            "active": _("Active"),
            "frozen": _("Frozen with the store"),
            "cancelled": _("Cancelled"),
        }.get(state, state)

    def demo(self, name: str) -> str:
        """A part of the demonstration that one may open."""
        _ = self._say
        return {"storefront": _("The shop"), "mailbox": _("Mailbox"), "ads": _("Ads console")}.get(name, name)

    def said(self, sentence: str) -> str:
        """A sentence that was put together in English elsewhere, in this language as far as it is known."""
        return said(sentence, self.locale).text

    def said_lang(self, sentence: str) -> str:
        """The language that `said` answers in: English where some of the sentence is not known."""
        return self.locale if said(sentence, self.locale).is_known else SOURCE_LOCALE

    def duration(self, seconds: int) -> str:
        """How long, in one unit: seconds, minutes up to 90, else hours."""
        n_ = self._count
        if seconds >= 5400:
            return n_("%(num)s hour", "%(num)s hours", round(seconds / 3600))
        if seconds >= 60 or seconds == 0:
            return n_("%(num)s minute", "%(num)s minutes", round(seconds / 60))
        return n_("%(num)s second", "%(num)s seconds", seconds)

    def units(self, count: int) -> str:
        """A number of sellable units."""
        n_ = self._count
        return n_("%(num)s unit", "%(num)s units", count)


def _fixed(_: Callable[[str], str]) -> tuple[str, ...]:
    """Sentences that other rooms write word for word, listed so that they reach the catalogues."""
    return (
        _("The app was removed in the store."),
        _("Everything on its landing page is sold out."),
        _("It can be bought again on its landing page."),
        _("Somebody changed it since we paused it."),
        _("It is gone."),
        _("Already confirmed."),
        _("The provider says that nobody is at this address."),
        _("The provider says that it could not be delivered."),
        _("The reader marked it as spam."),
        _("The way to send it was removed, and there is no other."),
        _("The shopper left before it was sent."),
        _("This address must not be written to."),
        _("Sold out again before it was sent; the place is kept."),
        _("The store left before it was sent; the place is kept."),
        _("Everything is frozen by the merchant."),
        _("The store does not show it yet."),
        _("Sent again by the merchant."),
        _("The process ended while this was being sent: it may have arrived. It is not repeated."),
        _("Paused by you."),
        _("on a Monday"),
        _("on a Tuesday"),
        _("on a Wednesday"),
        _("on a Thursday"),
        _("on a Friday"),
        _("on a Saturday"),
        _("on a Sunday"),
    )
