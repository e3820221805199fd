"""Pieces that are ready to leave, and editions in orders of their own that are joined from them."""
