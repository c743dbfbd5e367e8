import type { Key } from "./dictionary";

/** Milliseconds for people: `12 ms`, `1.05 s`, `2 min 5 s`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? "–" : `${(share * 100).toFixed(1)} %`;
}

export function signed(share: number | null): string {
  if (share === null) return "–";
  return `${share > 0 ? "+" : ""}${(share * 100).toFixed(1)} %`;
}

/** The sign and the name of a verdict: a colour alone says nothing to some readers. */
export const VERDICTS: Record<string, { glyph: string; key: Key }> = {
  passed: { glyph: "●", key: "passed" },
  failed: { glyph: "✗", key: "verdictFailed" },
  inconclusive: { glyph: "?", key: "inconclusive" },
  error: { glyph: "!", key: "error" },
  skipped: { glyph: "–", key: "skipped" },
  not_run: { glyph: "○", key: "notRun" },
  known: { glyph: "◆", key: "known" },
};

export function verdictOf(name: string): { glyph: string; key: Key } {
  return VERDICTS[name] ?? { glyph: "?", key: "inconclusive" };
}

/** The message of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  if (typeof thrown === "object" && thrown !== null && "message" in thrown) return String(thrown.message);
  return String(thrown);
}

/** Any value as text, as JSON unless it is text already. */
export function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "";
}
