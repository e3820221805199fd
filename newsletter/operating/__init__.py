"""What the operator sees: check, status, monitoring, logs. It looks, and mends nothing.

It writes metrics and pings, and notes what was already told, so that it is told once.

It may import the job and what is below it; not preview.
"""
