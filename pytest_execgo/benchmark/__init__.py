"""Trials into numbers and reports: matrix, metrics, statistics, aggregation. Pure functions."""
