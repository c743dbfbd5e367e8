// The trials of a run as rows, and the search over them.
import type { ViewerIndex } from "./types";

export interface Row {
  id: string;
  cell: string;
  scenario: string;
  framework: string;
  mode: string;
  chaos: string;
  verdict: string;
  cause: string;
  injected: string;
  recovery: string;
  wall: number | null;
  attempt: number;
  hasDetail: boolean;
}

export interface Cell {
  scenario: string;
  framework: string;
  mode: string;
  chaos: string;
}

/** The parts of `<scenario>-<framework>-<mode>-<chaos>`; a framework may have hyphens. */
export function parseCell(id: string): Cell {
  const found = /^([^-]+)-(.+)-(replay|live)-([^-]+)$/.exec(id);
  const [, scenario = id, framework = "", mode = "", chaos = ""] = found ?? [];
  return { scenario, framework, mode, chaos };
}

export function rowsOf(index: ViewerIndex): Row[] {
  const { trials } = index;
  const cells = index.cells.map(parseCell);
  return trials.trial_id.map((id, k) => {
    const number = trials.cell[k] ?? 0;
    const cell = cells[number] ?? parseCell("");
    return {
      id,
      cell: index.cells[number] ?? "",
      ...cell,
      verdict: trials.verdict[k] ?? "",
      cause: index.causes[trials.cause[k] ?? 0] ?? "",
      injected: index.injected[trials.injected[k] ?? 0] ?? "",
      recovery: trials.recovery[k] ?? "",
      wall: trials.wall_ms[k] ?? null,
      attempt: trials.attempt[k] ?? 1,
      hasDetail: trials.has_detail[k] ?? false,
    };
  });
}

export const FIELDS = ["scenario", "framework", "mode", "chaos", "verdict", "cause", "injected", "recovery"] as const;
type Field = (typeof FIELDS)[number];

export interface Query {
  matches: (row: Row) => boolean;
  /** Words before a colon that are no field. */
  unknown: string[];
}

/** `scenario:vuln_scan chaos:runtime_* -verdict:passed kill`: all words must match; `*` stands for any text. */
export function parseQuery(text: string): Query {
  const tests: ((row: Row) => boolean)[] = [];
  const unknown: string[] = [];
  for (const [, minus, key, quoted, word] of text.matchAll(/(-?)(?:([A-Za-z_]+):)?(?:"([^"]*)"|(\S+))/g)) {
    const value = quoted ?? word ?? "";
    let test: (row: Row) => boolean;
    if (key === undefined) {
      const part = value.toLowerCase();
      test = (row) => row.id.toLowerCase().includes(part) || row.cause.toLowerCase().includes(part);
    } else if ((FIELDS as readonly string[]).includes(key)) {
      const pattern = glob(value);
      test = (row) => pattern.test(row[key as Field]);
    } else {
      unknown.push(key);
      continue;
    }
    tests.push(minus ? (row) => !test(row) : test);
  }
  return { matches: (row) => tests.every((test) => test(row)), unknown };
}

function glob(text: string): RegExp {
  const parts = text.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "i");
}

export type Sort = keyof Pick<Row, "id" | Field | "wall" | "attempt">;

/** A copy in order; equal rows stay as they are. */
export function sorted(rows: readonly Row[], by: Sort, descending: boolean): Row[] {
  const sign = descending ? -1 : 1;
  return [...rows].sort((one, other) => {
    const a = one[by] ?? -1;
    const b = other[by] ?? -1;
    return a < b ? -sign : a > b ? sign : 0;
  });
}
