"""HTTP between the parts of this package: client rules and a loopback server."""
