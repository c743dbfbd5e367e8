import unittest

import math_ops


class MathOps(unittest.TestCase):
    def test_clamp_keeps_what_is_inside(self):
        self.assertEqual(math_ops.clamp(5, 0, 10), 5)

    def test_clamp_cuts_what_is_outside(self):
        self.assertEqual([math_ops.clamp(v, 0, 10) for v in (-3, 42)], [0, 10])

    def test_mean(self):
        self.assertEqual(math_ops.mean([2, 4, 9]), 5)

    def test_mean_of_one(self):
        self.assertEqual(math_ops.mean([7]), 7)

    def test_gcd(self):
        self.assertEqual(math_ops.gcd(84, 36), 12)
