import re

import pytest
from django.contrib.staticfiles import finders
from django.template.loader import get_template
from django.test import Client, RequestFactory

from apps.common.handlers import PROBLEMS


def test_the_problem_codes_are_listed_and_each_can_be_linked_to(client: Client) -> None:
    response = client.get("/api/problems/")

    page = response.content.decode()
    assert response.status_code == 200
    assert re.findall(r'<article class="problem" id="([^"]+)">', page) == list(PROBLEMS)
    assert [int(status) for status in re.findall(r'<h2 id="status-\d+">(\d+)</h2>', page)] == sorted(
        {problem.status for problem in PROBLEMS.values()}
    )
    assert all(problem.title in page for problem in PROBLEMS.values())


def test_an_unknown_address_outside_the_api_shows_the_page_for_it(client: Client) -> None:
    response = client.get("/no-such-page/")

    assert response.status_code == 404
    assert "Nothing here" in response.content.decode()
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]


def test_the_page_for_a_fault_needs_neither_a_context_nor_a_file() -> None:
    page = get_template("500.html").render()

    assert "Something broke" in page
    assert re.findall(r'(?:href|src)="(?!data:)', page) == []


@pytest.mark.parametrize("name", ["404.html", "common/problems.html", "admin/base_site.html"])
def test_every_file_a_page_links_to_is_there(name: str) -> None:
    page = get_template(name).render({"problems": PROBLEMS.values()}, RequestFactory().get("/"))

    linked = re.findall(r'(?:href|src)="/static/([^"]+)"', page)
    assert linked
    assert [path for path in linked if finders.find(path) is None] == []


def test_the_admin_carries_our_name_and_the_environment_it_belongs_to() -> None:
    template = get_template("admin/base_site.html")
    request = RequestFactory().get("/admin/")

    assert 'class="environment">LOCAL<' in template.render({"environment": "LOCAL"}, request)
    plain = template.render({}, request)
    assert "Layerline</a>" in plain
    assert 'class="environment"' not in plain
