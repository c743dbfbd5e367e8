"""Compares the embedded services with the real ones over generated requests.

``python -m tests.differential --execgo PATH --runtime PATH`` sends the same requests to both and prints
each difference that is not declared. ``--record`` writes answers of the real ones for the test suite.
"""
