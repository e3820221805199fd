"""The door: leaving with one click, joining with confirmation, changing without a password.

It may import the job and what is below it; nothing but `newsletter serve` imports it.
"""
