"""Builds what the interoperation tests need of other languages: `make interop`.

Everything is built at the same time and only when its inputs are newer. A tool that is missing is named,
and so is one that fails: the tests that need it say that they were skipped, and why. Only what is
`required` where its tools are (node) must not fail, for its tests are skipped where node is missing and
nowhere else; it is tried again, since registries have bad moments.
"""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
JUDGES = HERE / "judges"
LIMIT = 240.0
"""Seconds for one command."""
TRIES = 3
"""Of what is required."""
PAUSE = 5.0
"""Seconds before another try; after the n-th, n times as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """`commands`, run in `folder`, make `made` from `inputs`; what must be there after each is in `tools` by its name."""

    language: str
    folder: Path
    tools: tuple[str, ...]
    inputs: tuple[str, ...]
    made: str
    commands: tuple[tuple[str, ...], ...]
    required: bool = False

    @property
    def fresh(self) -> bool:
        made = self.folder / self.made
        return made.exists() and all((self.folder / name).stat().st_mtime <= made.stat().st_mtime for name in self.inputs)


# Scripts that packages would run when they are installed are left out: none of these needs one.
NPM = ("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
BUILDS = (
    Build(
        language="node",
        folder=HERE,
        tools=("node", "npm"),
        inputs=("package.json", "package-lock.json"),
        made="node_modules/.package-lock.json",
        commands=(NPM,),
        required=True,
    ),
    Build(
        language="Go",
        folder=JUDGES / "go",
        tools=("go",),
        inputs=("go.mod", "go.sum", "main.go", "receiver/main.go"),
        made="bin/receiver",
        commands=(("go", "build", "-o", "bin/", ".", "./receiver"),),
    ),
    Build(
        language="Rust",
        folder=JUDGES / "rust",
        tools=("cargo",),
        inputs=("Cargo.toml", "src/main.rs", "src/bin/receiver.rs"),
        made="target/debug/receiver",
        commands=(("cargo", "build", "--quiet", "--target-dir", "target"),),
    ),
    Build(
        language="Java",
        folder=JUDGES / "java",
        tools=("java", "javac", "mvn"),
        inputs=("pom.xml", "Judge.java"),
        made="classes/Judge.class",
        commands=(
            ("mvn", "--batch-mode", "--quiet", "dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime"),
            ("javac", "-d", "classes", "-cp", "lib/*", "Judge.java"),
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is to be said of a build, nothing if there was nothing to do, and whether it failed."""

    text: str = ""
    failed: bool = False


def build(made: Build) -> Told:
    if missing := [tool for tool in made.tools if shutil.which(tool) is None]:
        return Told(text=f"{made.language}: {', '.join(missing)} not installed: the tests with it are skipped")
    if made.fresh:
        return Told()
    started = time.monotonic()
    fault = ""
    for tried in range(TRIES if made.required else 1):
        time.sleep(PAUSE * tried)
        fault = run(made)
        if not fault:
            # A file that was up to date already is not written again.
            (made.folder / made.made).touch()
            return Told(text=f"{made.language}: made in {time.monotonic() - started:.0f} s")
    end = f"the tests with it cannot run ({TRIES} tries)" if made.required else "the tests with it are skipped"
    first, _, rest = fault.partition("\n")
    return Told(text=f"{made.language}: {first}: {end}\n{rest}".rstrip(), failed=made.required)


def run(made: Build) -> str:
    """What went wrong, in its first line, and what was said; nothing if all went well."""
    # Otherwise Go would download a newer Go than the one that is here, and compile its ties to C.
    environment = {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    for command in made.commands:
        try:
            done = subprocess.run(
                command,
                cwd=made.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{command[0]} was not done after {LIMIT:.0f} s"
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
            return f"{command[0]} failed\n{said}"
    return ""


def main(builds: tuple[Build, ...] = BUILDS) -> int:
    """Build everything; the exit code."""
    failed = False
    with ThreadPoolExecutor() as pool:
        for told in pool.map(build, builds):
            failed |= told.failed
            if told.text:
                print(told.text, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
