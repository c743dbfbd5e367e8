"""The root of the checkout for pytest: tests import their helpers as ``tests.…`` from here.

Keep it empty. pytest also reads it when a project elsewhere runs the built-in scenarios of an
editable install.
"""
