"""Keywords and windows in, trustworthy listings out: a folder or a module a source.

Sources know nothing of each other. They may import keywords, models and the ground floor.
"""
