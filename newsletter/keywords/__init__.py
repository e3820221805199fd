"""Which papers a keyword means, decided here and by nobody else. Pure.

It may import models and the ground floor.
"""
