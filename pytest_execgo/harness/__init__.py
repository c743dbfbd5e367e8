"""Bringing up the services a trial talks to, watching them, and taking them down for certain."""
