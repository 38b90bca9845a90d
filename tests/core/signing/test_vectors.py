"""Signatures that others have published, each with where it stands."""

import hmac
from base64 import b64decode, b64encode

import pytest
from core.signing.cases import HUBSPOT_OLD, JSON, named, value, with_value
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hookline.signing import HttpMessage, InvalidSignature, SignableRequest, SignatureFault, Twilio, ed25519, scheme
from hookline.signing.http_message import Algorithm

# github.com/standard-webhooks/standard-webhooks, libraries/python/tests/test_webhooks.py, test_sign_function.
STANDARD = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

# github.com/svix/svix-webhooks, server/svix-server, test_asymmetric_key_signing: the same message under v1a.
V1A_SECRET = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
V1A_PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
V1A_SIGNATURE = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="

# docs.slack.dev/authentication/verifying-requests-from-slack.
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
    b"803a0bc887a14d10d2c447fce8b6703c"
)
SLACK_SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"

# RFC 9421, appendix B.2: the request "test-request", the keys of B.1.4 and B.1.5.
RFC_REQUEST = SignableRequest(
    url="https://example.com/foo?param=Value&Pet=dog",
    headers=(
        ("Host", "example.com"),
        ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("Content-Type", "application/json"),
        ("Content-Length", "18"),
    ),
    body=b'{"hello": "world"}',
)
RFC_TIME = 1618884473
RFC_SHARED = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
RFC_SEED = "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU="
RFC_PUBLIC = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs="


@pytest.mark.parametrize(("secret", "signature"), [(STANDARD_SECRET, STANDARD_SIGNATURE), (V1A_SECRET, V1A_SIGNATURE)])
@pytest.mark.parametrize(("name", "prefix"), [("standard", "webhook"), ("svix", "svix")])
def test_standard_webhooks(name, prefix, secret, signature):
    webhook_id, now, body = STANDARD
    signed = scheme(name).sign(SignableRequest(url="", body=body, id=webhook_id), [secret], now)
    assert value(signed, f"{prefix}-signature") == signature
    scheme(name).verify(signed, [secret], now)


def test_the_public_key_of_v1a_verifies():
    webhook_id, now, body = STANDARD
    assert ed25519.public_key(V1A_SECRET) == V1A_PUBLIC
    signed = scheme("standard").sign(SignableRequest(url="", body=body, id=webhook_id), [V1A_SECRET], now)
    scheme("standard").verify(signed, [V1A_PUBLIC], now)


def test_github():
    """docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries, "Testing the webhook payload validation"."""
    signed = scheme("github").sign(SignableRequest(url="", body=b"Hello, World!"), ["It's a Secret to Everybody"], 0)
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert value(signed, "x-hub-signature-256") == expected


def test_stripe():
    """docs.stripe.com/webhooks/signature, the example of a header: Stripe publishes neither its body nor its secret.

    So it is of the right form, and the signature `v0`, which Stripe says to ignore, is.
    """
    secret = "whsec_0123456789abcdef"
    theirs = "5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"
    ignored = "6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"
    request = SignableRequest(url="", headers=(("Stripe-Signature", f"t=1492774577,v1={theirs},v0={ignored}"),), body=b"{}")
    with pytest.raises(InvalidSignature) as refused:
        scheme("stripe").verify(request, [secret], 1492774577)
    assert refused.value.fault is SignatureFault.NO_MATCHING_SIGNATURE
    ours = hmac.digest(secret.encode(), b"1492774577.{}", "sha256").hex()
    scheme("stripe").verify(
        with_value(request, "stripe-signature", f"t=1492774577,v1={theirs},v1={ours},v0={ignored}"), [secret], 1492774577
    )
    with pytest.raises(InvalidSignature):
        scheme("stripe").verify(
            with_value(request, "stripe-signature", f"t=1492774577,v1={theirs},v0={ours}"), [secret], 1492774577
        )


def test_slack():
    signed = scheme("slack").sign(SignableRequest(url="", body=SLACK_BODY), ["8f742231b10e8888abcd99yyyzzz85a5"], 1531420618)
    assert value(signed, "x-slack-signature") == SLACK_SIGNATURE
    scheme("slack").verify(signed, ["8f742231b10e8888abcd99yyyzzz85a5"], 1531420618)


@pytest.mark.parametrize(
    ("url", "body", "signature"),
    [
        (
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            b"Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE",
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
        (
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234",
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
    ],
    ids=["documented", "repeated parameters"],
)
def test_twilio_forms(url, body, signature):
    """twilio.com/docs/usage/webhooks/webhooks-security; github.com/twilio/twilio-php, RequestValidatorTest."""
    form = SignableRequest(url=url, headers=(("content-type", "application/x-www-form-urlencoded"),), body=body)
    signed = Twilio().sign(form, ["12345"], 0)
    assert signed.url == url
    assert value(signed, "x-twilio-signature") == signature
    Twilio().verify(signed, ["12345"], 0)


def test_twilio_json():
    """github.com/twilio/twilio-php, RequestValidatorTest: the body, and its digest in the URL."""
    request = SignableRequest(url="https://mycompany.com/myapp.php?foo=1&bar=2", body=b'{"property": "value", "boolean": true}')
    signed = Twilio().sign(request, ["12345"], 0)
    digest = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    assert signed.url == f"https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256={digest}"
    assert value(signed, "x-twilio-signature") == "a9nBmqA0ju/hNViExpshrM61xv4="


@pytest.mark.parametrize(
    ("method", "body", "signature"),
    [
        ("GET", b"", "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"),
        ("POST", b'{"example_field":"example_value"}', "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"),
    ],
)
def test_hubspot_v2(method, body, signature):
    """legacydocs.hubspot.com/docs/faq/v2-request-validation, both examples."""
    headers = (("X-HubSpot-Signature-Version", "v2"), ("X-HubSpot-Signature", signature))
    request = SignableRequest(method=method, url="https://www.example.com/webhook_uri", headers=headers, body=body)
    HUBSPOT_OLD.verify(request, ["yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"], 0)
    with pytest.raises(InvalidSignature, match="old_versions") as refused:
        scheme("hubspot").verify(request, ["yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"], 0)
    assert refused.value.fault is SignatureFault.MISSING_HEADER


def test_hubspot_v1():
    """developers.hubspot.com/docs/guides/apps/authentication/validating-requests, "v1 request signature examples"."""
    body = (
        b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation",'
        b'"attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]'
    )
    signature = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
    headers = (("X-HubSpot-Signature-Version", "v1"), ("X-HubSpot-Signature", signature))
    request = SignableRequest(url="https://www.example.com/webhook_uri", headers=headers, body=body)
    HUBSPOT_OLD.verify(request, ["yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"], 0)


@pytest.mark.parametrize(
    ("timestamp", "signature"),
    [
        (1693657560000, "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),
        (1700000300000, "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),
    ],
)
def test_hubspot_v3(timestamp, signature):
    """The signature tests of github.com/HubSpot/hubspot-api-python and github.com/HubSpot/hubspot-api-ruby."""
    request = SignableRequest(url="https://www.example.com/webhook_uri", body=b"{'example_field':'example_value'}")
    signed = scheme("hubspot").sign(request, ["yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"], timestamp // 1000)
    assert value(signed, "x-hubspot-request-timestamp") == str(timestamp)
    assert value(signed, "x-hubspot-signature-v3") == signature


def test_rfc_9421_hmac_sha256():
    """Appendix B.2.5."""
    message = HttpMessage(key_id="test-shared-secret", components=("date", "@authority", "content-type"), label="sig-b25")
    signed = message.sign(RFC_REQUEST, [RFC_SHARED], RFC_TIME)
    expected = 'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    assert value(signed, "signature-input") == expected
    assert value(signed, "signature") == "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"
    message.verify(signed, [RFC_SHARED], RFC_TIME)


def test_rfc_9421_ed25519():
    """Appendix B.2.6."""
    components = ("date", "@method", "@path", "@authority", "content-type", "content-length")
    message = HttpMessage(key_id="test-key-ed25519", algorithm=Algorithm.ED25519, components=components, label="sig-b26")
    seed = b64decode(RFC_SEED, altchars=b"-_")
    public = b64decode(RFC_PUBLIC, altchars=b"-_")
    assert Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw() == public
    signed = message.sign(RFC_REQUEST, ["whsk_" + b64encode(seed).decode()], RFC_TIME)
    assert value(signed, "signature") == (
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"
    )
    message.verify(signed, ["whpk_" + b64encode(public).decode()], RFC_TIME)


B4_ORIGINAL = (
    ("Host", "example.org"),
    ("Date", "Fri, 15 Jul 2022 14:24:55 GMT"),
    ("Accept", "application/json"),
    ("Accept", "*/*"),
)
B4_URL = "https://example.org/demo?name1=Value1&Name2=value2"


@pytest.mark.parametrize(
    ("method", "url", "headers", "right"),
    [
        ("GET", B4_URL, B4_ORIGINAL, True),
        ("GET", f"{B4_URL}&param=added", (*B4_ORIGINAL, ("Accept-Language", "en-US,en;q=0.5")), True),
        (
            "GET",
            B4_URL,
            (B4_ORIGINAL[0], ("Referer", "https://developer.example.org/demo"), ("Accept", "application/json, */*")),
            True,
        ),
        ("GET", B4_URL, (*B4_ORIGINAL[2:], B4_ORIGINAL[1], B4_ORIGINAL[0]), True),
        ("POST", B4_URL.replace(".org", ".com"), (("Host", "example.com"), *B4_ORIGINAL[1:]), False),
        ("GET", B4_URL, (*B4_ORIGINAL[:2], B4_ORIGINAL[3], B4_ORIGINAL[2]), False),
    ],
    ids=["signed", "more", "joined, others changed", "other order of fields", "method and authority", "other order of values"],
)
def test_rfc_9421_transformations(method, url, headers, right):
    """Appendix B.4: what may happen to a request on its way, and what may not."""
    message = HttpMessage(
        key_id="test-key-ed25519", algorithm=Algorithm.ED25519, components=("@method", "@path", "@authority", "accept")
    )
    signature = (
        ("Signature-Input", 'transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"'),
        ("Signature", "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:"),
    )
    request = SignableRequest(method=method, url=url, headers=(*headers, *signature), body=b"")
    public = "whpk_" + b64encode(b64decode(RFC_PUBLIC, altchars=b"-_")).decode()
    if right:
        message.verify(request, [public], RFC_TIME)
        return
    with pytest.raises(InvalidSignature) as refused:
        message.verify(request, [public], RFC_TIME)
    assert refused.value.fault is SignatureFault.NO_MATCHING_SIGNATURE


def test_rfc_9421_fields():
    """Section 2.1: white space around a value, a folded one, one in several lines, and one that is empty."""
    fields = (
        ("Host", "www.example.com"),
        ("Date", "Tue, 20 Apr 2021 02:07:56 GMT"),
        ("X-OWS-Header", "   Leading and trailing whitespace.   "),
        ("X-Obs-Fold-Header", "Obsolete\r\n    line folding."),
        ("Cache-Control", "max-age=60"),
        ("Cache-Control", "   must-revalidate"),
        ("Example-Dict", " a=1,    b=2;x=1;y=2,   c=(a   b   c)"),
        ("X-Empty-Header", " "),
    )
    components = ("host", "date", "x-ows-header", "x-obs-fold-header", "cache-control", "example-dict", "x-empty-header")
    parameters = f'({" ".join(f"{chr(34)}{name}{chr(34)}" for name in components)});created={RFC_TIME};keyid="k"'
    base = (
        '"host": www.example.com\n'
        '"date": Tue, 20 Apr 2021 02:07:56 GMT\n'
        '"x-ows-header": Leading and trailing whitespace.\n'
        '"x-obs-fold-header": Obsolete line folding.\n'
        '"cache-control": max-age=60, must-revalidate\n'
        '"example-dict": a=1,    b=2;x=1;y=2,   c=(a   b   c)\n'
        '"x-empty-header": \n'
        f'"@signature-params": {parameters}'
    )
    message = HttpMessage(key_id="k", components=components)
    signed = message.sign(SignableRequest(url="https://www.example.com/", headers=fields, body=b""), [RFC_SHARED], RFC_TIME)
    assert value(signed, "signature-input") == f"sig1={parameters}"
    expected = b64encode(hmac.digest(b64decode(RFC_SHARED), base.encode(), "sha256")).decode()
    assert value(signed, "signature") == f"sig1=:{expected}:"
    message.verify(signed, [RFC_SHARED], RFC_TIME)


def test_rfc_9530_digest():
    """Appendix B.1: a JSON document and a line feed."""
    case = named("http-message")
    signed = case.scheme.sign(case.request(b'{"hello": "world"}\n'), [case.secret()], RFC_TIME)
    assert value(signed, "content-digest") == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


def test_rfc_9530_sha_512():
    """RFC 9421, appendix B.2: the digest of "test-request" in sha-512 is verified like one in sha-256."""
    components = ("@method", "content-digest")
    message = HttpMessage(key_id="k", components=components)
    digest = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
    theirs = SignableRequest(url=RFC_REQUEST.url, headers=(("content-digest", digest),), body=RFC_REQUEST.body)
    # Signed as if the digest were any header, so that hookline does not add its own.
    parameters = '("@method" "content-digest");created=1618884473;keyid="k"'
    base = f'"@method": POST\n"content-digest": {digest}\n"@signature-params": {parameters}'
    signature = b64encode(hmac.digest(b64decode(RFC_SHARED), base.encode(), "sha256")).decode()
    headers = (*theirs.headers, ("signature-input", f"a={parameters}"), ("signature", f"a=:{signature}:"))
    message.verify(SignableRequest(url=theirs.url, headers=headers, body=theirs.body), [RFC_SHARED], RFC_TIME)
    with pytest.raises(InvalidSignature) as refused:
        message.verify(SignableRequest(url=theirs.url, headers=headers, body=JSON), [RFC_SHARED], RFC_TIME)
    assert refused.value.fault is SignatureFault.BODY_CHANGED
