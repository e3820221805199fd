"""An edition in the order of one reader's own papers, joined from what is ready."""
