"""Past issues, the Daily Papers page and what comes with them: pages and feeds from the state.

It may import everything below: config, the steps, and what they stand on. It mails nobody, and no
reader is in any file of it.
"""
