"""One file per chaos action; ``extensions/builtin_parts.py`` lists them."""
