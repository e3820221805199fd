"""`python -m newsletter` is the same program as `newsletter`."""

from newsletter.cli import main

main()
