"""Arithmetic with two mistakes in it."""


def clamp(value, low, high):
    return max(low, min(high, value))


def mean(values):
    return sum(values) / len(values)


def gcd(a, b):
    while b:
        a, b = b, a % b
    return a
