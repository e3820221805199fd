"""What must be remembered; it decides nothing. `engines` says what the rest asks of its database.

It may import subscribers, keywords, models and the ground floor; not the other steps of the day.
"""
