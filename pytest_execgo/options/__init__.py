"""The options of a run as data. pytest loads this package in every project: it is cheap to import."""
