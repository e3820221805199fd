"""The daily job: its order (daily), what it asks (asking), its parts (parts), its report.

It introduces the steps of the day to each other, and may import everything below: archive, config,
the steps, and what they stand on.
"""
