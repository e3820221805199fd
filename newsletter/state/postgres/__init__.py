"""The state in PostgreSQL, which a run and any number of senders share.

It may import what the state may, and nothing of the other ledger. psycopg is loaded only where
`[state] url` says that it is needed.
"""
