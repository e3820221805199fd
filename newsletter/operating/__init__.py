"""What the operator sees: check, status, monitoring, logs. It looks, and changes nothing.

It may import the job and what is below it; not preview.
"""
