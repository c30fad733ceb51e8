"""The words of the settings for messages to shoppers: one list of fields, with label and help.

To show a further field of `ShopperPolicy`, add one line to `sections`: how it is written and checked follows from the
policy itself (`connector.shoppers.policy_form`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby

from connector.shoppers.policy import ShopperPolicy
from connector.shoppers.policy_form import Fault, Shape, shape_of


@dataclass(frozen=True, slots=True)
class Said:
    """One field of the form. `choices`: the words for the values of a list; `unit` stands after the input."""

    name: str
    label: str
    help: str = ""
    choices: dict[str, str] = field(default_factory=dict)
    unit: str = ""

    @property
    def shape(self) -> Shape:
        return shape_of(self.name)


@dataclass(frozen=True, slots=True)
class Section:
    """One card of the form."""

    title: str
    fields: tuple[Said, ...]
    lead: str = ""

    @property
    def groups(self) -> list[tuple[bool, list[Said]]]:
        """The fields in their order: those that take the whole width (lists, switches), and runs of others."""
        wide = ("switch", "one", "several")
        return [
            (is_wide, list(run)) for is_wide, run in groupby(self.fields, lambda one: one.shape.kind in wide)
        ]


def sections(_: Callable[..., str], currency: str) -> tuple[Section, ...]:
    """The form, from top to bottom, in the language of `_`."""
    whole = (
        Section(
            _("How shoppers can be reached"),
            (
                Said("channels", _("Offered on your pages"),
                     _("SMS and push appear on the page as soon as they are connected, too."),
                     {"email": _("E-mail"), "sms": _("SMS"), "push": _("Push")}),
                Said("country", _("Numbers without + belong to"),
                     _("Two letters, as FR. Empty: the country of your time zone.")),
                Said("sms_countries", _("SMS to numbers of"),
                     _("Two letters each, as FR, BE. Empty: only the country above.")),
                Said("offers_marketing", _("Ask whether offers may be sent, too"),
                     _("A box of its own, never ticked beforehand.")),
                Said("offers_any_variant", _("Shoppers may wait for any variant of a product"),
                     _("“Any size will do”: whoever ticks it is told of the first one that is back.")),
                Said("offers_alternatives", _("Name similar products below the form"),
                     _("Up to three that are in stock, as soon as somebody turns to the form of a sold-out product.")),
                Said("refuses_disposable", _("Refuse disposable addresses"),
                     _("Mailboxes that vanish after minutes; the form says so at once.")),
                Said("marks_links", _("Mark the links of alerts for your shop's analytics"),
                     _("An opaque mark in the address (utm_source=dispo), by which an order is known to have come of an"
                       " alert. Without it only orders with the very address that was told are counted.")),
                Said("counts_interest", _("Count views of products"),
                     _("Sums by product and day, without any identifier: what people looked for while it was sold out"
                       " tells you what to order. Nobody is written to for having looked.")),
            ),
        ),
        Section(
            _("When those who wait are told"),
            (
                Said("min_units", _("Units that must be free"), _("Fewer are left to whoever is in the shop.")),
                Said("settle_s", _("The number must stand for"),
                     _("So that a delivery counted twice and corrected tells nobody. 0: at once."), unit=_("minutes")),
                Said("pace", _("Pace"), "", {
                    "fair": _("Fair: sells soonest. In our simulation of 10,000 people waiting for 40 units, where"
                              " one in five of those told buys, 18 to 26 of 100 clicks came too late (98 when"
                              " everybody is told at once)."),
                    "careful": _("Careful: fewer are told at a time. 1 to 3 of 100 clicks came too late in the"
                                 " same simulation; it takes longer, and more units go to others who come by."),
                }),
            ),
        ),
        Section(
            _("Hours and limits of alerts"),
            (
                Said("quiet_from", _("No e-mail from"), _("In the shopper's own time. Empty: at any hour.")),
                Said("quiet_until", _("No e-mail until")),
                Said("sms_from", _("SMS and push from"), _("SMS never on Sundays and public holidays.")),
                Said("sms_until", _("SMS and push until")),
                Said("most_per_day", _("At most to one person in 24 hours"), unit=_("alerts")),
                Said("most_per_hour", _("At most in an hour, to all"),
                     _("Empty: as fast as your provider takes them."), unit=_("alerts")),
                Said("warms_up_from", _("Warm up a new sender from"),
                     _("200 alerts on that day, twice as many each day after, for two weeks. Empty: no limit.")),
            ),
            _("A confirmation somebody has just asked for never waits."),
        ),
        Section(
            _("While they wait"),
            (
                Said("tells_slips", _("Tell them when the date that they were shown moves")),
                Said("slip_days", _("From so many days on"), unit=_("days")),
                Said("slip_pause_days", _("At most once in"), unit=_("days")),
                Said("suggests_after_days", _("Show similar products after"),
                     _("Only to those who agreed to marketing, once. Empty: never."), unit=_("days")),
            ),
        ),
        Section(
            _("A code for waiting too long"),
            (
                Said("code_percent", _("Percentage off"),
                     _("For those who agreed to marketing and waited past the date that they were shown. Empty: none."),
                     unit="%"),
                Said("code_minor", _("Or an amount off"), unit=currency),
                Said("code_days", _("The code is good for"), unit=_("days")),
            ),
        ),
    )  # fmt: skip
    known = ShopperPolicy.model_fields
    return tuple(
        Section(one.title, kept, one.lead)
        for one in whole
        if (kept := tuple(said for said in one.fields if said.name in known))
    )


def why(_: Callable[..., str], fault: Fault) -> str:
    """What is wrong with a field, and what to write instead."""
    if fault.code == "number":
        if fault.most:
            return _("Enter a number from %(least)s to %(most)s.", least=fault.least, most=fault.most)
        return _("Enter a number.")
    return {
        "time": _("Enter a time of day, as 08:30."),
        "day": _("Enter a day."),
        "choice": _("Choose one of the list."),
        "text": _("Enter codes of two letters, as FR."),
        "several": _("Choose at least one."),
        "pair": _("Enter both, or neither."),
        "order": _("The end comes after the beginning."),
        "either": _("A code takes off a percentage or an amount: enter one of them."),
    }[fault.code]
