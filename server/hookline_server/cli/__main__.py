"""`python -m hookline_server.cli`."""

from hookline_server.cli import main

main()
