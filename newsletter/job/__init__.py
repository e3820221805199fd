"""The daily job: its order (daily), its parts (parts), its report. It introduces the steps to each other.

It may import everything below: archive, config, the steps, and what they stand on.
"""
