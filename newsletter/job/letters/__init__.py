"""Letters beside the ledger: to the operator, and to readers who asked by mail or in a form.

It may import what the job may, and nothing of the job but its report and its mailroom.
"""
