// Where the bars of a trial's time line are: lanes, idle time, and the window that is shown.
import type { ViewerSlice } from "./types";

export interface TimelineEvent {
  event_id: string;
  event_type: string;
  at_ms: number;
  [fact: string]: unknown;
}

export interface Lane {
  name: string;
  slices: ViewerSlice[];
}

/** Slices by lane, in the order in which the lanes first have one. */
export function lanesOf(slices: readonly ViewerSlice[]): Lane[] {
  const lanes = new Map<string, ViewerSlice[]>();
  for (const slice of [...slices].sort((a, b) => a.start_ms - b.start_ms)) {
    const found = lanes.get(slice.lane);
    if (found) found.push(slice);
    else lanes.set(slice.lane, [slice]);
  }
  return [...lanes].map(([name, found]) => ({ name, slices: found }));
}

/** Maps times to positions from 0 to 1. */
export type Scale = (ms: number) => number;

/** The positions of times in a window. */
export function linearScale(from: number, to: number): Scale {
  const length = Math.max(to - from, 1e-9);
  return (ms) => (ms - from) / length;
}

/**
 * As linearScale, but a span in which nothing begins, ends or happens, and which is longer than a tenth of
 * the window, takes 2 % of the room.
 */
export function collapsedScale(times: readonly number[], from: number, to: number): Scale {
  const marks = [...new Set([from, ...times.filter((ms) => ms > from && ms < to), to])].sort((a, b) => a - b);
  const limit = (to - from) / 10;
  const idle = (to - from) / 50;
  const positions = [0];
  for (let k = 1; k < marks.length; k += 1) {
    const span = marks[k]! - marks[k - 1]!;
    positions.push(positions[k - 1]! + (span > limit ? idle : span));
  }
  const total = Math.max(positions.at(-1) ?? 0, 1e-9);
  return (ms) => {
    if (ms <= from) return (ms - from) / total;
    if (ms >= to) return 1 + (ms - to) / total;
    let low = 0;
    let high = marks.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (marks[middle]! <= ms) low = middle;
      else high = middle;
    }
    const span = marks[high]! - marks[low]!;
    const share = span > 0 ? (ms - marks[low]!) / span : 0;
    return (positions[low]! + share * (positions[high]! - positions[low]!)) / total;
  };
}

/** Round steps for the marks of an axis, at most `most`. */
export function ticks(from: number, to: number, most: number): number[] {
  const length = Math.max(to - from, 1e-6);
  const power = 10 ** Math.floor(Math.log10(length / most));
  const step = [1, 2, 5, 10].map((k) => k * power).find((one) => length / one <= most) ?? length;
  const found: number[] = [];
  for (let ms = Math.ceil(from / step) * step; ms <= to; ms += step) found.push(ms);
  return found;
}
