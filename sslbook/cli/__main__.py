"""`python -m sslbook.cli` is the command `sslbook`."""

from sslbook.cli import main

main()
