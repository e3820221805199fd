"""What newsletter.toml may hold: read, checked, and every problem of it explained at once.

It may import the steps of the day and what is below them.
"""
