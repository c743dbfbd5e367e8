"""Images that containers are made of: ours, built from a checkout, or by name."""
