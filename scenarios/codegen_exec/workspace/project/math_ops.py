"""Arithmetic with two mistakes in it."""


def clamp(value, low, high):
    return max(high, min(low, value))


def mean(values):
    return sum(values) / (len(values) + 1)


def gcd(a, b):
    while b:
        a, b = b, a % b
    return a
