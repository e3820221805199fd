"""The command line: words on a terminal.

It may import everything, but only when a command runs, so that starting is quick; nothing imports
it.
"""
