import { expect, test } from "vitest";
import { collapsedScale, lanesOf, linearScale, ticks } from "../src/timeline";

const slice = (lane: string, start_ms: number, end_ms: number) => ({ lane, name: lane, start_ms, end_ms, facts: {} });

test("lanes are in the order of their first slices", () => {
  const lanes = lanesOf([slice("b", 5, 6), slice("a", 1, 2), slice("b", 0, 1)]);
  expect(lanes.map((lane) => [lane.name, lane.slices.map((one) => one.start_ms)])).toEqual([
    ["b", [0, 5]],
    ["a", [1]],
  ]);
});

test("a linear scale maps the window to 0 and 1", () => {
  const scale = linearScale(100, 300);
  expect([scale(100), scale(200), scale(300), scale(400)]).toEqual([0, 0.5, 1, 1.5]);
  expect(Number.isFinite(linearScale(5, 5)(5))).toBe(true);
});

test("a collapsed scale rises, keeps the ends, and makes idle time short", () => {
  const scale = collapsedScale([0, 10, 20, 980, 990], 0, 1000);
  const positions = Array.from({ length: 101 }, (_, k) => scale(k * 10));
  for (let k = 1; k < positions.length; k += 1) expect(positions[k]!).toBeGreaterThanOrEqual(positions[k - 1]!);
  expect(positions[0]).toBe(0);
  expect(positions[100]).toBeCloseTo(1);
  expect(scale(980) - scale(20)).toBeLessThan(0.5);
  expect(scale(20) - scale(10)).toBeGreaterThan(0.1);
});

test.each([
  [0, 1000, 8],
  [0, 0.5, 4],
  [123, 125, 3],
  [0, 3_600_000, 8],
])("marks of %s to %s are at most %s and inside", (from, to, most) => {
  const found = ticks(from, to, most);
  expect(found.length).toBeGreaterThan(0);
  expect(found.length).toBeLessThanOrEqual(most + 1);
  expect(found.every((ms) => ms >= from && ms <= to + 1e-9)).toBe(true);
});
