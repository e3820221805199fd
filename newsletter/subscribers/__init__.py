"""Who reads what, and who must not be mailed: the list, the suppressions, the tokens.

It may import keywords, models and the ground floor.
"""
