"""How a message leaves, and what a server's reply means; it composes nothing.

It may import subscribers, keywords, models and the ground floor; not the other steps of the day.
"""
