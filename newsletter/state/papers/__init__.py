"""The papers the state knows: their ledger, and what pages show of them.

It may import what the state may.
"""
