import { describe, expect, test } from "vitest";
import { parseCell, parseQuery, type Row, sorted } from "../src/rows";

function row(values: Partial<Row>): Row {
  return {
    id: "vuln_scan-reference-replay-runtime_kill-r0",
    cell: "vuln_scan-reference-replay-runtime_kill",
    scenario: "vuln_scan",
    framework: "reference",
    mode: "replay",
    chaos: "runtime_kill",
    verdict: "failed",
    cause: "runtime/handle_lost",
    injected: "none", recovery: "degraded",
    wall: 10,
    attempt: 1,
    hasDetail: true,
    ...values,
  };
}

test("a cell has four parts, and a framework may have hyphens", () => {
  expect(parseCell("vuln_scan-pydantic-ai-live-none")).toEqual({ scenario: "vuln_scan", framework: "pydantic-ai", mode: "live", chaos: "none" });
  expect(parseCell("live-replay-replay-live")).toEqual({ scenario: "live", framework: "replay", mode: "replay", chaos: "live" });
});

describe("a query", () => {
  test.each([
    ["", true],
    ["scenario:vuln_scan", true],
    ["scenario:vuln", false],
    ["chaos:runtime_* verdict:failed", true],
    ["chaos:*kill cause:runtime/*", true],
    ["-verdict:passed", true],
    ["-verdict:failed", false],
    ["KILL", true],
    ["handle_lost", true],
    ["nothing", false],
    ['cause:"runtime/handle_lost"', true],
    ["cause:runtime.handle_lost", false],
    ["cause:(", false],
  ])("%s", (text, expected) => {
    const found = parseQuery(text);
    expect(found.matches(row({}))).toBe(expected);
    expect(found.unknown).toEqual([]);
  });

  test("with an unknown field names it and filters nothing by it", () => {
    const found = parseQuery("scenaro:x verdict:failed");
    expect(found.unknown).toEqual(["scenaro"]);
    expect(found.matches(row({}))).toBe(true);
  });
});

test("sorting keeps the order of equal rows, and trials without a time come first", () => {
  const rows = [row({ id: "a", wall: 5 }), row({ id: "b", wall: null }), row({ id: "c", wall: 5 })];
  expect(sorted(rows, "wall", false).map((one) => one.id)).toEqual(["b", "a", "c"]);
  expect(sorted(rows, "wall", true).map((one) => one.id)).toEqual(["a", "c", "b"]);
});
