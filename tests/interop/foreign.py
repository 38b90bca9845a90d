"""Judges in other languages: one process a language, which answers a question a line.

A question names the `library`, the `operation` (`verify` or `sign`), and the request: `secret`, `method`,
`url`, `headers` (names in lower case), `body` (base64), and to sign `id` and `now`. The answer holds
`accepted` (and a `reason`), or `headers`, or a `failure` of the judge itself.
"""

import base64
import json
import select
import shutil
import subprocess
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from core.signing.judges import Judge

from hookline.signing import SignableRequest

HERE = Path(__file__).parent
JUDGES = HERE / "judges"
PATIENCE = 60.0
"""Seconds for one answer."""

PROGRAMS: dict[str, tuple[str, ...]] = {
    "npm": ("node", str(JUDGES / "judge.cjs")),
    "Go": (str(JUDGES / "go" / "bin" / "judge"),),
    "Rust": (str(JUDGES / "rust" / "target" / "debug" / "judge"),),
    "Java": ("java", "-XX:TieredStopAtLevel=1", "-cp", f"{JUDGES / 'java' / 'lib'}/*:{JUDGES / 'java' / 'classes'}", "Judge"),
}
BUILT = {
    "Go": JUDGES / "go" / "bin" / "judge",
    "Rust": JUDGES / "rust" / "target" / "debug" / "judge",
    "Java": JUDGES / "java" / "classes" / "Judge.class",
}
_processes: dict[str, "subprocess.Popen[str]"] = {}


def why_not(language: str, package: str) -> str:
    """Why there is no such judge on this machine; nothing if there is one."""
    if language not in PROGRAMS:
        return ""
    program = PROGRAMS[language][0]
    if not Path(program).is_absolute() and shutil.which(program) is None:
        return f"{program} is not installed"
    if language in BUILT and not BUILT[language].exists():
        return f"the judge in {language} is not built; `make interop` builds it, and says what it lacks"
    if language == "npm" and not (HERE / "node_modules" / package).is_dir():
        return f"npm's {package} is not installed; `make interop` installs it"
    return ""


def ask(language: str, **question: Any) -> dict[str, Any]:
    """The answer of the judge in `language`."""
    process = _processes.get(language)
    if process is None:
        process = _processes[language] = subprocess.Popen(
            PROGRAMS[language], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE, bufsize=1
        )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    # An answer is one line, and nothing is buffered between two questions.
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    assert ready, f"the judge in {language} has not answered within {PATIENCE:.0f} s"
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    assert "failure" not in answer or not answer["failure"], answer
    return answer


def stop() -> None:
    """End every judge."""
    while _processes:
        _, process = _processes.popitem()
        process.communicate(timeout=PATIENCE)


def foreign(language: str, package: str, *, library: str = "", signs: bool = True) -> Judge:
    """The judge behind `package`, which its process knows as `library`."""

    def question(operation: str, request: SignableRequest, secret: str, now: int = 0) -> dict[str, Any]:
        return ask(
            language,
            library=library or package,
            operation=operation,
            secret=secret,
            method=request.method,
            url=request.url,
            headers={name.lower(): value for name, value in request.headers},
            body=base64.b64encode(request.body).decode(),
            id=request.id,
            now=now,
        )

    def sign(request: SignableRequest, secret: str, now: int) -> SignableRequest:
        made = question("sign", request, secret, now)["headers"]
        signed = replace(request, headers=(*request.headers, *made.items()))
        if package == "twilio" and ("Content-Type", "application/json") in request.headers:
            return replace(signed, url=f"{request.url}&bodySHA256={sha256(request.body).hexdigest()}")
        return signed

    return Judge(
        language=language,
        package=package,
        accepts=lambda request, secret: bool(question("verify", request, secret)["accepted"]),
        sign=sign if signs else None,
    )


FOREIGN = (
    ("standard", foreign("npm", "standardwebhooks")),
    ("standard", foreign("Go", "standardwebhooks")),
    ("standard", foreign("Rust", "standardwebhooks")),
    ("standard", foreign("Java", "standardwebhooks")),
    ("svix", foreign("npm", "svix")),
    ("svix", foreign("Go", "svix")),
    ("svix", foreign("Java", "svix")),
    ("stripe", foreign("npm", "stripe")),
    ("stripe", foreign("Go", "stripe-go")),
    ("stripe", foreign("Java", "stripe-java")),
    ("github", foreign("npm", "@octokit/webhooks")),
    ("github", foreign("Go", "go-github", signs=False)),
    ("slack", foreign("npm", "@slack/bolt", signs=False)),
    ("slack", foreign("Go", "slack-go", signs=False)),
    ("slack", foreign("Java", "slack-app-backend")),
    ("twilio", foreign("npm", "twilio")),
    ("twilio", foreign("Go", "twilio-go", signs=False)),
    ("twilio", foreign("Java", "twilio", signs=False)),
    ("twilio-form", foreign("npm", "twilio")),
    ("twilio-form", foreign("Go", "twilio-go", signs=False)),
    ("twilio-form", foreign("Java", "twilio", signs=False)),
    ("hubspot", foreign("npm", "@hubspot/api-client")),
    ("shopify", foreign("npm", "@shopify/shopify-api", signs=False)),
    ("http-message", foreign("npm", "http-message-signatures")),
    ("http-message-ed25519", foreign("npm", "http-message-signatures", library="http-message-signatures ed25519")),
)
"""By case."""
