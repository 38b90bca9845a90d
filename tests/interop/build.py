"""Builds what the interoperation tests need of other languages: `make interop`.

Everything is built at the same time and only when its inputs are newer. A tool that is missing or that
fails is named, and is no error: the tests that need it say that they were skipped, and why.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """`commands`, run in `folder`, make `made` from `inputs`; what must be there after each is in `tools` by its name."""

    language: str
    folder: Path
    tools: tuple[str, ...]
    inputs: tuple[str, ...]
    made: str
    commands: tuple[tuple[str, ...], ...]

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


def build(made: Build) -> str:
    """What is to be said of it; nothing if there was nothing to do."""
    if missing := [tool for tool in made.tools if shutil.which(tool) is None]:
        return f"{made.language}: {', '.join(missing)} not installed: the tests with it are skipped"
    if made.fresh:
        return ""
    started = time.monotonic()
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
            return f"{made.language}: {command[0]} was not done after {LIMIT:.0f} s: the tests with it are skipped"
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
            return f"{made.language}: {command[0]} failed: the tests with it are skipped\n{said}"
    # A file that was up to date already is not written again.
    (made.folder / made.made).touch()
    return f"{made.language}: made in {time.monotonic() - started:.0f} s"


def main() -> None:
    with ThreadPoolExecutor() as pool:
        for said in pool.map(build, BUILDS):
            if said:
                print(said, flush=True)


if __name__ == "__main__":
    sys.exit(main())
