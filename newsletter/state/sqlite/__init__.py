"""The state in one file, which one run at a time may write to.

It may import what the state may, and nothing of the other ledger.
"""
