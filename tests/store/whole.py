"""Whether a store's file is whole: the pages, what its rows say of each other, and what the client counts and lists."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import hookline
from hookline.model import DeliveryState

PAGE = 1000
LAWS = {
    "every delivery has its event": "SELECT d.id FROM delivery d WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.pos = d.event)",
    "a delivery is to come, waits, or is done, and one of them alone": """
        SELECT d.id FROM delivery d
        WHERE (SELECT count(*) FROM fresh f WHERE f.lane = d.lane AND f.pos = d.pos)
            + (SELECT count(*) FROM later l WHERE l.lane = d.lane AND l.pos = d.pos)
            + (SELECT count(*) FROM done o WHERE o.tenant = d.tenant AND o.pos = d.pos) <> 1""",
    "what is to come is a delivery": """
        SELECT pos FROM (SELECT lane, pos FROM fresh UNION ALL SELECT lane, pos FROM later) p
        WHERE NOT EXISTS (SELECT 1 FROM delivery d WHERE d.lane = p.lane AND d.pos = p.pos)""",
    "a lane counts what is pending and what is done of it, though it is over": """
        SELECT no FROM lane l
        WHERE pending <> (SELECT count(*) FROM fresh f WHERE f.lane = l.no) + (SELECT count(*) FROM later w WHERE w.lane = l.no)
            OR EXISTS (
                SELECT 1
                FROM (SELECT 1 AS state, l.delivered AS n UNION ALL SELECT 2, l.exhausted UNION ALL SELECT 3, l.cancelled) c
                WHERE c.n <> (SELECT count(*) FROM delivery d JOIN done o ON o.tenant = d.tenant AND o.pos = d.pos
                              WHERE d.lane = l.no AND o.state = c.state))""",
    "a lane that is over has nothing pending": "SELECT no FROM lane WHERE owner IS NULL AND pending <> 0",
    "what is done is a delivery": """
        SELECT pos FROM done o WHERE NOT EXISTS (SELECT 1 FROM delivery d WHERE d.tenant = o.tenant AND d.pos = o.pos)""",
}
"""Each finds what breaks it."""


async def is_whole(file: Path) -> Counter[DeliveryState]:
    """Hold a file that nobody writes to against all of it; its deliveries by state, over all tenants."""
    with closing(sqlite3.connect(file)) as looking:
        assert looking.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        broken = {law: found for law, query in LAWS.items() if (found := looking.execute(query).fetchmany(5))}
        tenants = [name for (name,) in looking.execute("SELECT tenant FROM event UNION SELECT tenant FROM delivery")]
        rows = looking.execute("SELECT count(*) FROM delivery").fetchone()[0]
        ended = looking.execute("SELECT d.id FROM delivery d JOIN lane l ON l.no = d.lane WHERE l.owner IS NULL")
        over = {name for (name,) in ended}
    assert broken == {}
    total: Counter[DeliveryState] = Counter()
    async with hookline.open(file, deliver=False) as client:
        for tenant in tenants:
            listed: Counter[DeliveryState] = Counter()
            standing: Counter[DeliveryState] = Counter()  # of lanes that are not over: statistics have no others
            token, more = "", True
            while more:
                page = await client.deliveries.list(page_size=PAGE, page_token=token, tenant=tenant)
                listed.update(one.state for one in page.items)
                standing.update(one.state for one in page.items if one.id not in over)
                token = page.next_page_token
                more = bool(token)
            counted = await client.deliveries.stats(tenant=tenant)
            assert {state: getattr(counted, state.value) for state in DeliveryState} == {
                state: standing[state] for state in DeliveryState
            }
            total += listed
    assert total.total() == rows
    return total
