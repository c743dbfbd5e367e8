"""From trials to numbers and reports: collect, aggregate, metrics, intervals, gates."""
