import pytest

from apps.chat.tests.consumers.support import Opener
from apps.chat.tests.support import open_room
from apps.users.tests.factories import ModeratorFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_others_are_told_and_the_same_person_elsewhere_is_not(visit: Opener) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    open_room(ada, members=[bob])
    here, elsewhere, at_bob = visit(ada), visit(ada), visit(bob)

    assert here.ask("typing", state=True) == {"type": "ack"}
    # Once a second at most.
    here.ask("typing", state=True)
    elsewhere.ask("typing", state=False)

    for state in (True, False):
        assert at_bob.hear("typing") == {"type": "typing", "user": str(ada.pk), "state": state}
    at_bob.ask("ping")
    assert "typing" not in {frame["type"] for frame in at_bob.seen}
    for mine in (here, elsewhere):
        mine.ask("ping")
        assert "typing" not in {frame["type"] for frame in mine.seen}


def test_whoever_only_oversees_the_room_types_unheard(visit: Opener) -> None:
    ada = UserFactory.create()
    open_room(ada, private=True)

    assert visit(ModeratorFactory.create()).ask("typing", state=True)["code"] == "forbidden"


@pytest.mark.parametrize("state", [1, "true", None])
def test_a_state_is_true_or_false(visit: Opener, state: object) -> None:
    ada = UserFactory.create()
    open_room(ada)

    assert visit(ada).ask("typing", state=state)["code"] == "validation_error"
