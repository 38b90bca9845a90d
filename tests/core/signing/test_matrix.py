"""Each scheme against the platform's own package: both directions, rotation, and each part tampered with."""

import hashlib
import time
from dataclasses import replace

import pytest
from core.signing.cases import CONTENT_TYPE, JSON, URL, named, received, refusal, value, with_value
from core.signing.judges import JUDGES

from hookline.signing import InvalidSignature, SignableRequest, SignatureFault

pytestmark = pytest.mark.parametrize("name", JUDGES)


def judged(name):
    case, judge = named(name), JUDGES[name]
    secret = case.secret()
    return case, judge, secret, case.scheme.sign(case.request(), [secret], int(time.time()))


def test_the_judge_accepts_what_hookline_signs(name):
    case, judge, secret, signed = judged(name)
    assert judge.accepts(signed, secret)
    assert not judge.accepts(signed, case.secret())


def test_hookline_accepts_what_the_judge_signs(name):
    case, judge, secret, _ = judged(name)
    headers = (*CONTENT_TYPE, *judge.headers(JSON.decode(), secret, int(time.time())).items())
    url = f"{URL}&bodySHA256={hashlib.sha256(JSON).hexdigest()}" if name == "twilio" else URL
    theirs = SignableRequest(url=url, headers=headers, body=JSON)
    case.scheme.verify(theirs, [secret], int(time.time()))
    case.scheme.verify(theirs, [case.secret(), secret], int(time.time()))
    with pytest.raises(InvalidSignature) as refused:
        case.scheme.verify(theirs, [case.secret()], int(time.time()))
    assert refused.value.fault is SignatureFault.NO_MATCHING_SIGNATURE


def test_during_a_rotation_the_judge_accepts_each_secret_that_signs(name):
    case, judge, new, _ = judged(name)
    old = case.secret()
    signed = case.scheme.sign(case.request(), [new, old], int(time.time()))
    assert judge.accepts(signed, new)
    assert judge.accepts(signed, old) is case.several


def test_the_judge_and_hookline_both_refuse_each_part_that_is_tampered_with(name):
    case, judge, secret, signed = judged(name)
    tampered = [replace(signed, body=JSON.replace(b"100", b"900"))]
    for header in set(case.signed) - {"content-type", "content-digest"}:
        # The last digit or letter of the value becomes another one: the header keeps its form.
        old = value(signed, header)
        at = max(index for index, character in enumerate(old) if character.isalnum()) - 2
        tampered.append(with_value(signed, header, old[:at] + ("1" if old[at] != "1" else "2") + old[at + 1 :]))
    if case.url:
        tampered.append(replace(signed, url=signed.url.replace("tenant=7", "tenant=8")))
    if case.method:
        tampered.append(replace(signed, method="PUT"))
    for request in tampered:
        assert not judge.accepts(request, secret)
        assert isinstance(refusal(case.scheme, received(request), [secret], int(time.time())), InvalidSignature)
