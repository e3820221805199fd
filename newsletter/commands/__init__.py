"""The command line: words on a terminal. It is light, and imports what a command needs when it runs.

It may import everything, when a command runs; nothing imports it.
"""
