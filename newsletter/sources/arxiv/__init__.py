"""arXiv alone: how it is asked, and what of its answers may be believed.

Nothing outside builds or reads an address of arXiv. It may import sources, keywords, models and
the ground floor.
"""
