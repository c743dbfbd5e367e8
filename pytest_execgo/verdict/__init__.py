"""From the record of a trial to its verdict: attribute, verify, explain. Pure functions."""
