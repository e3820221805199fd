"""Which papers a keyword means, decided here and by nobody else; the words of papers. Pure.

It may import models and the ground floor.
"""
