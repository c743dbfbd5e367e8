"""The kinds of faults of the benchmark, and the codes that count as right for them."""

from __future__ import annotations

from benchmarks.unseen.kinds import kinds
from benchmarks.unseen.right_codes import right_codes
from pytest_execgo.verdict.codes import known_codes


def test_the_right_codes_of_each_kind_are_codes_of_its_layers() -> None:
    known = known_codes()
    for kind in kinds():
        of_layers = {
            code for layer, names in known.items() if layer in kind.right for code in names
        }
        codes = right_codes(kind.name)
        assert not codes or codes & of_layers, kind.name
        assert codes <= {code for names in known.values() for code in names}, kind.name
