"""`python -m newsletter` is the same program as `newsletter`."""

from newsletter.commands.main import main

main()
