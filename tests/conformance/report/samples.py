"""Reports to render: made up, and as hostile as a target may be."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from hookline_conformance import Binds, Exchange, Level, Report, Requirement, Source, Status, Verdict

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "http://127.0.0.1:8000/hooks"
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def requirement(name: str = "SIG-003", level: Level = Level.MUST, text: str = "A forged delivery is refused.") -> Requirement:
    return Requirement(
        id=name,
        area=name[:3],
        level=level,
        binds=Binds.RECEIVER,
        text=text,
        sources=(Source(title="Standard Webhooks", section="Verifying", url="https://www.standardwebhooks.com/"),),
        schemes=("*",),
        note="",
    )


def request(body: bytes = b'{"a":1}', *headers: bytes) -> bytes:
    lines = [b"POST /hooks HTTP/1.1", b"Host: 127.0.0.1:8000", *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, b"", body])


def verdict(name: str = "SIG-003", status: Status = Status.PASSED, level: Level = Level.MUST, **fields: object) -> Verdict:
    return Verdict(
        requirement=requirement(name, level),
        status=status,
        check="receiver.forged",
        repeat=f"hookline-conformance receiver --url {URL} --scheme standard --only {name} --seed 7",
        **fields,
    )


def failure(name: str = "SIG-003", level: Level = Level.MUST, **fields: object) -> Verdict:
    given = {
        "detail": "expected a 4xx status, got 200",
        "expected": "a 4xx status",
        "got": "200",
        "example": "body b'{}'",
        "exchanges": (Exchange(sent=request(), received=b"HTTP/1.1 200 OK\r\n\r\n", note="the forged delivery"),),
    }
    return verdict(name, Status.FAILED, level, **{**given, **fields})


def report(*verdicts: Verdict, no_verdict: str = "") -> Report:
    return Report(
        kind=Binds.RECEIVER,
        target=URL,
        scheme="standard",
        seed=7,
        verdicts=verdicts,
        start=START,
        duration=1.5,
        mode="full",
        version="0.1.0",
        no_verdict=no_verdict,
    )


def mixed() -> Report:
    """One verdict of every standing, and one that passed against its declaration."""
    return report(
        verdict("SIG-001"),
        failure("SIG-002"),
        failure("SIG-003", Level.SHOULD),
        failure("SIG-004", known="the library's issue 12"),
        verdict("IDM-001", Status.NOT_CHECKED, detail="no way to see effects was given"),
        verdict("IDM-002", Status.UNSUPPORTED, detail="no restart"),
        verdict("TIM-001", known="the library's issue 13"),
    )


texts = st.text(max_size=40) | st.sampled_from(["</script><script>alert(1)</script>", "]]>", "\ud800", "a|b`c", "\x00\x1b[31m"])
exchanges = st.builds(Exchange, sent=st.binary(max_size=80), received=st.binary(max_size=80), note=texts)
verdicts = st.builds(
    Verdict,
    requirement=st.builds(
        requirement, st.sampled_from(["SIG-001", "TIM-002", "SAF-014"]), st.sampled_from(Level), texts.map(lambda text: f"x{text}")
    ),
    status=st.sampled_from(Status),
    check=st.just("receiver.forged"),
    detail=texts,
    expected=texts,
    got=texts,
    example=texts,
    exchanges=st.lists(exchanges, max_size=2).map(tuple),
    repeat=texts,
    known=texts,
)
reports = st.builds(
    lambda found, reason: report(*found, no_verdict=reason),
    st.lists(verdicts, max_size=4),
    st.sampled_from(["", "it does not answer"]),
)
