"""What is news, what stands in an issue, and who is owed it. Pure.

It may import subscribers, keywords, models and the ground floor; not the other steps of the day.
"""
