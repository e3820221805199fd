"""A reader's own papers: what their column says, read from files and from Zotero.

It may import keywords, models and the ground floor.
"""
