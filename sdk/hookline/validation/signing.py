"""How a subscription signs: its scheme, the scheme's parameters, and the secret."""

from collections.abc import Mapping

from hookline.errors import InvalidArgument, quoted
from hookline.model.subscription import SubscriptionSpec
from hookline.signing import InvalidSignature, SignableRequest, SignatureFault, scheme
from hookline.validation.headers import OWN_HEADERS
from hookline.validation.text import wrong_type
from hookline.validation.url import Problems


def signing_problems(spec: SubscriptionSpec) -> Problems:
    """What keeps the subscription from signing."""
    if not isinstance(spec.signature_scheme, str):
        yield "signature_scheme", wrong_type("signature_scheme", spec.signature_scheme, "a string").description
        return
    if not isinstance(spec.secret, str):
        yield "secret", f"is {type(spec.secret).__name__}; right is a string"
        return
    wrong = [*_parameter_problems(spec.signature_parameters)]
    if wrong:
        yield from wrong
        return
    try:
        known = scheme(spec.signature_scheme, spec.signature_parameters)
        if taken := sorted(known.header_names & OWN_HEADERS):
            yield (
                "signature_parameters",
                f"would sign in {', '.join(taken)}, which hookline or HTTP sets; right is a header of its own",
            )
        if spec.secret:
            known.check_secret(spec.secret)
        if isinstance(spec.url, str):
            # Some schemes sign the URL, and not every URL can be; some sign headers, which have to be there.
            known.sign(_sample(spec), [spec.secret or known.generate_secret()], 0)
    except InvalidArgument as refusal:
        for violation in refusal.violations:
            yield _field(violation.field, refusal), violation.description


def _field(field: str, refusal: InvalidArgument) -> str:
    """What is wrong with the request as a whole is its URL, or a component that it does not have."""
    if field != "request":
        return field
    cause = refusal.__cause__
    of_url = isinstance(cause, InvalidSignature) and cause.fault is SignatureFault.MALFORMED_URL
    return "url" if of_url else "signature_parameters.components"


def _parameter_problems(parameters: object) -> Problems:
    # Values are not shown: an API key may be among them.
    if not isinstance(parameters, Mapping):
        yield "signature_parameters", f"is {type(parameters).__name__}; right is a mapping of names to texts"
        return
    for name, value in parameters.items():
        if not isinstance(name, str):
            yield "signature_parameters", f"{quoted(name)} is no name; right is text"
        elif not isinstance(value, str):
            yield f"signature_parameters.{name}", f"is {type(value).__name__}; right is text"


def _sample(spec: SubscriptionSpec) -> SignableRequest:
    return SignableRequest(url=spec.url, headers=(("content-type", "application/json"), *_texts(spec.headers)), body=b"", id="id")


def _texts(headers: object) -> list[tuple[str, str]]:
    if not isinstance(headers, Mapping):
        return []
    return [(name, value) for name, value in headers.items() if isinstance(name, str) and isinstance(value, str)]
