"""A Django project of one file: settings, a table, one view."""

import tempfile
from pathlib import Path

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        SECRET_KEY="only for tests",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="receiver.django_site",
        MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": Path(tempfile.mkdtemp()) / "site.db",
                "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
            }
        },
        USE_TZ=True,
    )
    django.setup()

from django.db import connection, connections
from django.urls import path
from receiver.sending import STANDARD

from hookline.receiver import ReceivedEvent, Receiver
from hookline.receiver.django import webhook_view
from hookline.receiver.transactions.django import DjangoTransactions

TRANSACTIONS = DjangoTransactions()
RECEIVER = Receiver(STANDARD.verifier(), name="site", transactions=TRANSACTIONS, max_body=10_000)


@RECEIVER.default
def paid(event: ReceivedEvent, transaction: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO effect (id) VALUES (%s)", [event.id])


def setup() -> None:
    TRANSACTIONS.setup()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS effect (id text)")
        cursor.execute("DELETE FROM effect")


def on_postgres(conninfo: dict[str, str]) -> str:
    """The alias of another database."""
    alias = conninfo["dbname"]
    parts = {
        name.upper(): conninfo[key]
        for name, key in (("name", "dbname"), ("user", "user"), ("host", "host"), ("port", "port"))
        if key in conninfo
    }
    databases = {"default": {}, alias: {"ENGINE": "django.db.backends.postgresql", **parts}}
    connections.settings[alias] = connections.configure_settings(databases)[alias]
    return alias


def effects(event_id: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM effect WHERE id = %s", [event_id])
        return int(cursor.fetchone()[0])


urlpatterns = [path("webhooks", webhook_view(RECEIVER))]
