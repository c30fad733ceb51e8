"""From the product page to one message and out again."""

from __future__ import annotations

from connector.shoppers import links
from connector.shoppers.subscribe import confirm
from connector.shoppers.unsubscribe import find_person, leave_all
from tests.shoppers.world import World


def test_subscribe_confirm_restock_one_message_unsubscribe(world: World) -> None:
    assert world.sign_up("Ann@Example.com") == "check_mail"
    world.run()
    (confirmation,) = world.mail.sent
    assert confirmation.to == "Ann@example.com"
    assert confirmation.subject == "Please confirm: shall we tell you when Blue mug is back?"
    assert world.statuses() == ["unconfirmed"]

    merchant_id, subscription_id = links.read(world.keyring, "confirm", world.token(confirmation, "confirm"))
    assert confirm(world, merchant_id, subscription_id)
    world.run()
    assert world.statuses() == ["waiting"]
    assert len(world.mail.sent) == 1

    world.set_stock(3)
    world.run()
    assert world.told() == ["Ann@example.com", "Ann@example.com"]
    assert world.mail.sent[1].subject == "Back in stock: Blue mug"
    assert "€19.99" in world.mail.sent[1].text
    assert world.statuses() == ["fulfilled"]

    world.set_stock(2)
    world.set_stock(0)
    world.run()
    world.set_stock(5)
    world.run()
    assert len(world.mail.sent) == 2

    world.set_stock(0)
    world.run()
    world.waiting("ann@example.com")
    merchant_id, subscription_id = links.read(world.keyring, "leave", world.token(confirmation, "u"))
    with world.engine.connect() as db:
        person = find_person(db, merchant_id, subscription_id)
    assert person is not None
    assert leave_all(world, person) == 1
    world.set_stock(5)
    world.run()
    assert world.told() == []
    assert world.statuses() == ["fulfilled", "ended"]
