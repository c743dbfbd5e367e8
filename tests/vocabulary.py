"""Words of the old vocabulary, and what to write instead.

Each key is a regular expression. Upper and lower case are the same. ``_`` is read as a space and
``CamelCase`` as two words, so identifiers are found too. A space stands for any white space, also for a
line break in a comment.
"""

from __future__ import annotations

GONE = {
    r"\b(dice|die rolls?)\b": "random draw, rng",
    r"(?<!error\s)(?<!exception\s)\bthrown\b": "drawn, raised",
    r"\b(strikes?|struck|striking)\b": "inject, injected, injection",
    r"\bhits\b|\b(be|been|is|was|were|first) hit\b|\bhit (by|its|that|the)\b": "injected, affected",
    r"\bspoil(s|t|ed|ing)?\b": "corrupt, change",
    r"\bdisturb(s|ed|ing|ance|ances)?\b": "inject, affect",
    r"\b(undo|undoes|undone|undoing)\b": "heal, healed",
    r"\brejoin(s|ed|ing)?\b": "heal, reconnect",
    r"\blift(s|ed|ing)?\b": "heal, remove",
    r"\bwires?\b(?!\()": "model gateway, request body, on the network",
    r"\bover(come|comes|came|coming)\b": "mitigate, mitigated",
    r"\bgot over\b": "mitigated, recovered",
    r"\bkept (fleet|harness)": "persistent fleet",
    r"\bfleets? (that (is|are|was|were) )?kept\b": "persistent fleet",
    r"\bcatalog(ue)?s?\b": "library",
    r"\btroubles?\b": "problem, failure",
    r"\bmend(s|ed|ing)?\b": "fix, repair",
    r"\bbeneath\b": "inside, below",
    r"\bbeside us\b": "local, on this machine",
    r"\b(is|are|was|were|be|been|being|stays?|itself|service) well\b(?! (formed|known))": "healthy",
    r"\bwell(ness)? (again|at|until|while)\b": "healthy",
    r"\b(is|are|was|were|looks?) odd\b": "unhealthy, unexpected",
    r"\bodd (count|counts|one|ones|thing|things)\b": "unexpected",
    r"\b(is|are|was|were|be|how|more|less) sure\b": "confident, certain",
    r"\btold\b(?! apart)": "reported, explained",
    r"\bsaid\b": "reported, message, answer",
    r"\bnobody\b": "name who: no client, no test, no user",
    r"\bwhoever\b": "name who: the user, the client",
    r"\blast words\b": "last log lines",
    r"\bthat (is|are|was) none\b": "unusable, missing",
    r"\bas it was before\b": "unchanged, healed",
    r"\b(is|are) no matter\b": "does not matter, is ignored",
    r"\b(that|what|which) (is|are|was|were) no\b(?! longer| more)": "is not a ...",
}
