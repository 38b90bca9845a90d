"""`hookline deliveries show` says why a delivery does not move and what would release it; and that release releases it."""

import asyncio
import getpass
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ports import lasting_port

from hookline_server.demo.processes import Child, receiving_url

from .conftest import SECRET, Ran, eventually

pytestmark = pytest.mark.timeout(400)

Command = Callable[..., Ran]


class Subscribed:
    """A subscription of a tenant of its own, and its receiver, which is away until it is started."""

    def __init__(self, hookline: Command, folder: Path, *options: str) -> None:
        self._hookline, self._folder = hookline, folder
        self._receiver: Child | None = None
        self.port = lasting_port()
        self.tenant = f"holds-{self.port}"
        self.id = str(
            self.run("subscriptions", "create", f"http://127.0.0.1:{self.port}/", "--secret", SECRET, *options, "--json").json["id"]
        )

    def run(self, *arguments: str) -> Ran:
        ran = self._hookline(*arguments, "--tenant", self.tenant)
        assert ran.code == 0, ran.err
        return ran

    def emit(self, *options: str) -> str:
        """Emit; the delivery's id."""
        event = self.run("emit", "a.b", "-d", "{}", *options, "--json").json["event_id"]
        return str(eventually(lambda: self.run("deliveries", "list", "--event", event, "--json").json["items"])[0]["id"])

    def held(self, delivery: str, kind: str) -> tuple[str, str]:
        """Wait for this hold; what is shown of why, and of what releases it."""

        def hold() -> Any:
            found = self.run("deliveries", "show", delivery, "--json").json["delivery"]["hold"]
            return found is not None and found["kind"] == kind

        eventually(hold)
        lines = self.run("deliveries", "show", delivery).out.splitlines()
        facts = {
            name: " ".join(line.split()) for line in lines for name in ("held because", "released by") if line.startswith(name)
        }
        return facts["held because"].removeprefix("held because "), facts["released by"].removeprefix("released by ")

    def receive(self) -> None:
        self._receiver = Child(self._folder, "receiver", "receive", "--json", "--port", str(self.port), "--secret", SECRET)
        asyncio.run(self._receiver.ready(receiving_url))

    def delivered(self, *deliveries: str) -> None:
        """Wait until these are delivered."""
        for delivery in deliveries:
            eventually(lambda one=delivery: self.run("deliveries", "show", one, "--json").json["delivery"]["state"] == "delivered")

    def close(self) -> None:
        if self._receiver is not None:
            self._receiver.stop()


@pytest.fixture
def subscribe(hookline: Command, tmp_path: Path) -> Iterator[Callable[..., Subscribed]]:
    made: list[Subscribed] = []

    def make(*options: str) -> Subscribed:
        made.append(Subscribed(hookline, tmp_path, *options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_pause_is_named_with_who_wanted_it_and_when_and_a_resume_releases(subscribe: Callable[..., Subscribed]) -> None:
    site = subscribe("--hold-for", "7d")
    site.receive()
    site.run("subscriptions", "pause", site.id, "--reason", "the shop moves house", "--by", "Ada of the shop")
    delivery = site.emit()
    why, release = site.held(delivery, "paused")
    assert why.startswith("its subscription was paused by Ada of the shop at 20")
    assert "the shop moves house" in why
    assert "when it is cancelled as held for too long" in why
    assert f"`hookline subscriptions resume {site.id}` before 20" in release
    site.run("subscriptions", "resume", site.id)
    site.delivered(delivery)


def test_a_pause_says_by_itself_who_ran_the_command(subscribe: Callable[..., Subscribed]) -> None:
    site = subscribe()
    paused = site.run("subscriptions", "pause", site.id, "--json").json
    assert paused["state_actor"] == f"{getpass.getuser()}@{socket.gethostname()}"
    assert f"paused by {paused['state_actor']}" in " ".join(site.run("subscriptions", "show", site.id).out.split())


def test_a_disabled_subscription_is_named_with_its_cause_and_a_resume_releases(subscribe: Callable[..., Subscribed]) -> None:
    site = subscribe("--retry", "100ms", "--max-attempts", "10")  # another may begin before it is disabled
    with _gone(site.port):
        delivery = site.emit()
        why, release = site.held(delivery, "disabled")
    assert why.startswith("its subscription was disabled at 20")
    assert "410 Gone" in why
    assert "mend it, then resume it" in why
    assert f"`hookline subscriptions resume {site.id}`" in release
    site.receive()
    site.run("subscriptions", "resume", site.id)
    site.delivered(delivery)


@contextmanager
def _gone(port: int) -> Iterator[None]:
    """A receiver that answers 410 to everything."""

    class Gone(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # its base's name for it
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(410)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", port), Gone) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_a_time_is_named_for_which_an_event_waits_and_a_retry_sends_it_at_once(subscribe: Callable[..., Subscribed]) -> None:
    site = subscribe()
    site.receive()
    delivery = site.emit("--not-before", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400)))
    why, release = site.held(delivery, "scheduled")
    assert why.startswith("the event is not to be delivered before this time")
    assert release.startswith("at 20")
    assert f"`hookline deliveries retry {delivery}` tries now" in release
    site.run("deliveries", "retry", delivery)
    site.delivered(delivery)


def test_the_next_attempt_is_named_with_what_the_last_one_met_and_a_retry_makes_it_at_once(
    subscribe: Callable[..., Subscribed],
) -> None:
    site = subscribe("--retry", "1d")
    delivery = site.emit()
    why, release = site.held(delivery, "retry")
    assert "refused the connection" in why
    assert release.startswith("at 20")
    assert f"`hookline deliveries retry {delivery}` tries now" in release
    site.receive()
    site.run("deliveries", "retry", delivery)
    site.delivered(delivery)


def test_the_delivery_is_named_behind_which_one_of_the_same_key_waits_and_its_end_releases(
    subscribe: Callable[..., Subscribed],
) -> None:
    site = subscribe("--retry", "1d", "--ordering", "by-key")
    first = site.emit("--ordering-key", "basket-7")
    site.held(first, "retry")
    second = site.emit("--ordering-key", "basket-7")
    why, release = site.held(second, "ordering")
    assert f"behind delivery {first} of the same ordering key" in why
    assert "basket-7" in why
    assert "`hookline deliveries cancel` of it" in release
    site.receive()
    site.run("deliveries", "cancel", first)
    site.delivered(second)


def test_an_open_breaker_is_named_with_its_cause_and_its_end_and_a_resume_closes_it(subscribe: Callable[..., Subscribed]) -> None:
    site = subscribe("--retry", "100ms", "--max-attempts", "10", "--breaker", "2:1.0:10m:10m")
    first, second = site.emit(), site.emit()
    why, release = site.held(second, "breaker")
    # One that was under way when it opened fails too, and is counted.
    assert re.search("the circuit breaker is open after [23] failures in a row", why)
    assert "refused the connection" in why
    assert release.startswith("at 20")
    assert f"`hookline subscriptions pause {site.id}`" in release
    assert f"`hookline subscriptions resume {site.id}`" in release
    site.receive()
    site.run("subscriptions", "pause", site.id)
    site.run("subscriptions", "resume", site.id)
    site.delivered(first, second)


def test_the_requests_are_named_that_are_under_way_instead_and_their_end_releases(subscribe: Callable[..., Subscribed]) -> None:
    site = subscribe("--max-in-flight", "1", "--attempt-timeout", "60s")
    with _hanging(site.port) as (arrived, release):
        first = site.emit()
        assert arrived.wait(60.0)
        second = site.emit()
        why, released = site.held(second, "concurrency")
        assert "max_in_flight: 1" in why
        assert "the end of one of them" in released
        assert f"`hookline subscriptions update {site.id} --max-in-flight`" in released
        release.set()
        site.delivered(first, second)


@contextmanager
def _hanging(port: int) -> Iterator[tuple[threading.Event, threading.Event]]:
    """A receiver that tells when something has arrived, and answers when it is told to."""
    arrived, release = threading.Event(), threading.Event()

    class Hanging(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # its base's name for it
            self.rfile.read(int(self.headers["content-length"]))
            arrived.set()
            release.wait(120.0)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", port), Hanging) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield arrived, release
        finally:
            release.set()
            server.shutdown()
            thread.join()


def test_a_rate_is_named_with_its_number_and_a_higher_one_releases(subscribe: Callable[..., Subscribed]) -> None:
    site = subscribe("--rate", "0.01", "--burst", "1")
    site.receive()
    first, second = site.emit(), site.emit()
    site.delivered(first)
    why, release = site.held(second, "rate")
    assert "0.01 requests a second" in why
    assert release.startswith("at 20")
    assert f"`hookline subscriptions update {site.id} --rate`" in release
    site.run("subscriptions", "update", site.id, "--rate", "100")
    site.delivered(second)
