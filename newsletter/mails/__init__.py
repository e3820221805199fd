"""An edition as text, and a message as bytes; what editions share is made once.

It may import subscribers, keywords, models and the ground floor; not the other steps of the day.
"""
