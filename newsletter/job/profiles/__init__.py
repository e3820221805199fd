"""Readers' own papers in a run: read when their turn comes, and what is ordered by them.

It may import all that `job` may.
"""
