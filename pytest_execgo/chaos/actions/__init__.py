"""One file per chaos action; the registry lists them."""
