"""Who is let in by a server of this machine: three locks, and nothing but its routes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from preview_events import ask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from jaxstyle.display.local_server import LocalServer
from jaxstyle.errors import InputError

DONE: list[str] = []


async def greeting(_: Request) -> Response:
    return PlainTextResponse("hello")


async def deed(request: Request) -> Response:
    DONE.append((await request.body()).decode())
    return PlainTextResponse("done")


ROUTES = [Route("/", greeting), Route("/deed", deed, methods=["POST"])]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = LocalServer(ROUTES, "studio")
    yield server.url
    server.close()
    server.close()


def test_whoever_has_the_address_is_let_in(url):
    answer = ask(url)
    assert (answer.status, answer.body) == (200, b"hello")
    assert ask(url, Host="localhost:8000").status == 200  # through a tunnel
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in answer.headers and "server" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/deed", "/x/", "/x/deed", "/favicon.ico", "/%ff/", "//"])
def test_nothing_without_the_token(url, path):
    assert ask(url, path).status == ask(url, path, "POST").status == 404
    assert DONE == []


@pytest.mark.parametrize("path", ["nothing", "..", "../", "%2e%2e/deed", "deed/..", "deed/", "%00"])
def test_nothing_else_is_there(url, path):
    assert ask(url, path).status == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_no_other_name_may_point_here(url, host):
    assert ask(url, Host=host).status == ask(url, "deed", "POST", Host=host).status == 403
    assert DONE == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    ],
)  # fmt: skip
def test_other_sites_do_nothing(url, headers):
    assert ask(url, "deed", "POST", **headers).status == 403
    assert DONE == []


def test_its_own_page_does(url):
    own = {"Origin": "http://" + urlsplit(url).netloc, "Sec-Fetch-Site": "same-origin"}
    assert ask(url, "deed", "POST", **own).status == 200
    assert ask(url, "deed").status == 405
    assert DONE == [""]
    DONE.clear()


def test_only_this_machine_is_listened_to(url):
    with socket.socket() as outside:
        # Bound to all addresses, this one of the machine's own would answer too.
        assert outside.connect_ex(("127.0.0.2", urlsplit(url).port)) != 0


def test_tokens_differ_and_ports_are_checked(url):
    other = LocalServer(ROUTES, "studio")
    token = urlsplit(url).path
    assert len(token) > 24 and ask(other.url, token).status == 404
    port = urlsplit(other.url).port or 0
    with pytest.raises(InputError, match=f"studio cannot listen at port {port} .*choose another"):
        LocalServer(ROUTES, "studio", port)
    with pytest.raises(InputError, match="port is 70000"):
        LocalServer(ROUTES, "studio", 70000)
    other.close()
    again = LocalServer(ROUTES, "studio", port)  # free again
    assert urlsplit(again.url).port == port
    again.close()
