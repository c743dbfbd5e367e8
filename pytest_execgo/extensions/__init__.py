"""Extension points: the hooks, what they return checked, and the parts that come with the package."""
