"""What comes back by mail, and what it means; it suppresses nobody.

It may import subscribers, keywords, models and the ground floor; not the other steps of the day.
"""
