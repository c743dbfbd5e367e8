"""HTTP between our own parts: never through a proxy of the user, never with a password of theirs."""
