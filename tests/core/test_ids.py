"""The laws of `ids`."""

import os
import random
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline import ids
from hookline.errors import InvalidArgument

prefixes = st.sampled_from([ids.EVENT, ids.SUBSCRIPTION, ids.DELIVERY, ids.ATTEMPT, ids.REPLAY, ids.MESSAGE])
moments = st.integers(0, 2**48 - 2)


@given(prefixes, moments)
def test_an_id_is_a_typed_uuid_of_version_7_that_carries_its_time(prefix, now_ms):
    text = ids.IdSource().new(prefix, now_ms)
    found, uuid = ids.parse_id(text)
    assert (found, uuid.version, uuid.variant, uuid.int >> 80) == (prefix, 7, "specified in RFC 4122", now_ms)
    assert re.fullmatch(r"[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}", text)


@given(st.integers(0, 253_402_300_799_000))
def test_the_time_of_an_id_is_known_to_the_millisecond(now_ms):
    assert round(ids.time_of(ids.IdSource().new("evt", now_ms)).timestamp() * 1000) == now_ms


@given(st.lists(st.integers(0, 50), min_size=2, max_size=200))
def test_later_ids_are_greater_whatever_the_clock_does(clock):
    source = ids.IdSource()
    made = [source.new("evt", now_ms) for now_ms in clock]
    assert made == sorted(set(made))
    numbers = [ids.parse_id(text)[1].int for text in made]
    assert numbers == sorted(numbers)


def test_a_millisecond_whose_counter_is_used_up_is_left_for_the_next():
    source = ids.IdSource(random=lambda n: b"\xff" * n)
    made = [source.new("evt", 7)]
    source._count = (1 << 24) - 2  # 16 million ids would take this test too long
    made += [source.new("evt", 7) for _ in range(4)]
    assert made == sorted(set(made))
    assert [ids.parse_id(text)[1].int >> 80 for text in made] == [7, 7, 8, 8, 8]


@given(st.integers(), st.lists(moments, max_size=50))
def test_the_same_seed_and_times_give_the_same_ids(seed, clock):
    first, second = (ids.IdSource(random=random.Random(seed).randbytes) for _ in range(2))
    assert [first.new("evt", now) for now in clock] == [second.new("evt", now) for now in clock]


def test_sources_of_different_processes_share_no_id():
    made = [ids.IdSource().new("evt", 7) for _ in range(10_000)]
    assert len(set(made)) == len(made)


def test_threads_share_no_id():
    made = []
    threads = [threading.Thread(target=lambda: made.extend([ids.new_id("evt") for _ in range(3000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 12_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_a_forked_child_makes_other_ids_than_its_parent():
    source, now_ms = ids.IdSource(), 7
    source.new("evt", now_ms)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, " ".join(source.new("evt", now_ms) for _ in range(1000)).encode())
        os._exit(0)
    os.close(writing)
    ours = {source.new("evt", now_ms) for _ in range(1000)}
    with os.fdopen(reading) as pipe:
        theirs = set(pipe.read().split())
    os.waitpid(child, 0)
    assert len(ours) == len(theirs) == 1000
    assert not {text[-10:] for text in ours} & {text[-10:] for text in theirs}


@given(st.text() | st.from_regex(r"[a-z_]{0,4}_[0-9a-z]{26}", fullmatch=True))
def test_what_is_no_id_is_refused_and_what_is_one_can_be_written_again(text):
    try:
        prefix, uuid = ids.parse_id(text)
    except InvalidArgument:
        return
    assert text.startswith(prefix + "_")
    assert uuid.int < 2**128


@given(st.uuids(version=4))
def test_an_id_without_a_time_says_so(uuid):
    bits, letters = uuid.int, ""
    for _ in range(26):
        bits, digit = divmod(bits, 32)
        letters = ids._ALPHABET[digit] + letters
    assert ids.parse_id("evt_" + letters) == ("evt", uuid)
    with pytest.raises(InvalidArgument):
        ids.time_of("evt_" + letters)


def test_the_example_of_the_typeid_specification_is_read_as_it_says():
    assert str(ids.parse_id("prefix_01h455vb4pex5vsknk084sn02q")[1]) == "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize("now_ms", [-5, 2**48])
def test_a_time_that_does_not_fit_is_refused(now_ms):
    with pytest.raises(ValueError, match="no time that an id can carry"):
        ids.IdSource().new("evt", now_ms)
