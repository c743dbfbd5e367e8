"""One file per report format; the registry lists them."""
