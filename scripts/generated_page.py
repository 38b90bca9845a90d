"""A page of the docs of which a part is generated: between two lines, the rest is written by hand."""

import argparse
import sys
from pathlib import Path

END = "<!-- generated: end -->\n"


def page_with(page: Path, begin: str, generated: str) -> str:
    """The page as it should be: `generated` stands between the line `begin` and `END`."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(END)
    return f"{before}{begin}{generated}{END}{after}"


def write_or_check(page: Path, wanted: str, *, description: str | None, source: str) -> int:
    """Write the page, or with --check only say whether it is what `source` says; the exit code."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    if not parser.parse_args().check:
        page.write_text(wanted, encoding="utf-8")
        return 0
    if page.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{page} is not what {source}; `python scripts/{Path(sys.argv[0]).name}` writes it", file=sys.stderr)
    return 1
