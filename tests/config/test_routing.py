from apps.common.consumers import UnknownSocketConsumer
from apps.common.tests.sockets import Sockets
from config import routing


def test_an_address_that_no_slice_has_is_answered(sockets: Sockets) -> None:
    for address in ("/", "/ws/", "/ws/nowhere/", "/ws/../admin/", "/ws/%00/", "//"):
        assert sockets.knock(address).open().closed() == 4404


def test_the_answer_to_unknown_addresses_stands_last() -> None:
    last = routing.websocket_urlpatterns[-1]

    assert last.callback.consumer_class is UnknownSocketConsumer


def test_the_addresses_of_a_slice_are_included_by_the_name_of_its_module() -> None:
    assert routing.included("config.routing") is routing.websocket_urlpatterns
