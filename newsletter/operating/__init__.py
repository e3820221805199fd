"""What the operator sees: check, status, monitoring, logs. It looks.

It changes nothing but that something has been said, so that it is said once.

It may import the job and what is below it; not preview.
"""
