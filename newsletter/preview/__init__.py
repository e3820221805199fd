"""Mails to look at: the newest issue, and the demo.

It may import the job and what is below it; not operating.
"""
