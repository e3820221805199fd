"""What must be remembered; it decides nothing.

It may import subscribers, keywords, models and the ground floor; not the other steps of the day.
"""
