import { useMemo, useRef, useState } from "preact/hooks";
import { duration, shown } from "../format";
import { t } from "../state";
import { collapsedScale, lanesOf, linearScale, type Scale, ticks } from "../timeline";
import type { ViewerSlice } from "../types";

const ROW = 22;
const HEAD = 24;
const WIDTH = 1000;

export interface Bracket {
  from: number;
  to: number;
  text: string;
}

interface Props {
  slices: readonly ViewerSlice[];
  brackets: readonly Bracket[];
  times: readonly number[];
  end: number;
  window: [number, number];
  setWindow: (window: [number, number]) => void;
}

/** Lanes with bars; faults are bands through all lanes. Dragging chooses a window of time. */
export function Gantt({ slices, brackets, times, end, window, setWindow }: Props) {
  const [collapsed, setCollapsed] = useState(false);
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const chart = useRef<SVGSVGElement>(null);
  const lanes = useMemo(() => lanesOf(slices), [slices]);
  const [from, to] = window;
  const marks = ticks(from, to, matchMedia("(max-width: 40rem)").matches ? 3 : 8);
  const scale = useMemo<Scale>(
    () => (collapsed ? collapsedScale(times, from, to) : linearScale(from, to)),
    [collapsed, times, from, to],
  );
  const x = (ms: number): number => Math.min(Math.max(scale(ms), -0.01), 1.01) * WIDTH;
  const height = HEAD + lanes.length * ROW + brackets.length * 16;
  const at = (event: PointerEvent): number => {
    const box = chart.current?.getBoundingClientRect();
    const share = box ? (event.clientX - box.left) / box.width : 0;
    return inverse(scale, from, to, Math.min(Math.max(share, 0), 1));
  };
  const finish = (): void => {
    if (drag && Math.abs(x(drag[1]) - x(drag[0])) > 4) setWindow([Math.min(...drag), Math.max(...drag)]);
    setDrag(null);
  };
  const faults = slices.filter((slice) => slice.lane.startsWith("faults"));
  return (
    <div class="gantt">
      <p class="tools">
        <label>
          <input type="checkbox" checked={collapsed} onChange={() => setCollapsed(!collapsed)} /> {t("collapseIdle")}
        </label>
        <button type="button" onClick={() => setWindow([0, end])} disabled={from === 0 && to === end}>
          {t("wholeTime")}
        </button>
        <span>{t("window", { from: duration(from), to: duration(to) })}</span>
      </p>
      <div class="lanes">
        <ol class="names" style={{ paddingTop: `${HEAD}px` }}>
          {lanes.map((lane) => (
            <li key={lane.name} title={lane.name} style={{ height: `${ROW}px` }}>
              {lane.name}
            </li>
          ))}
        </ol>
        <svg
          ref={chart}
          viewBox={`0 0 ${WIDTH} ${height}`}
          preserveAspectRatio="none"
          style={{ height: `${height}px` }}
          role="img"
          aria-label={t("time")}
          onPointerDown={(event) => setDrag([at(event), at(event)])}
          onPointerMove={(event) => drag && setDrag([drag[0], at(event)])}
          onPointerUp={finish}
          onPointerLeave={finish}
        >
          {marks.map((ms) => (
            <line key={ms} class="tick" x1={x(ms)} x2={x(ms)} y1={HEAD - 4} y2={height} />
          ))}
          {faults.map((fault) => (
            <rect class="band" x={x(fault.start_ms)} width={Math.max(x(fault.end_ms) - x(fault.start_ms), 1)} y={HEAD} height={lanes.length * ROW} />
          ))}
          {lanes.map((lane, k) =>
            lane.slices.map((slice) =>
              slice.end_ms < from || slice.start_ms > to ? null : (
                <rect
                  class={`bar ${kindOf(lane.name)} ${statusOf(slice)}`}
                  x={x(slice.start_ms)}
                  width={Math.max(x(slice.end_ms) - x(slice.start_ms), 2)}
                  y={HEAD + k * ROW + 3}
                  height={ROW - 6}
                >
                  <title>{`${slice.name}\n${duration(slice.start_ms)} … ${duration(slice.end_ms)}\n${shown(slice.facts)}`}</title>
                </rect>
              ),
            ),
          )}
          {brackets.map((bracket, k) => (
            <path class="bracket" d={bracketPath(x(bracket.from), x(bracket.to), HEAD + lanes.length * ROW + k * 16 + 8)} />
          ))}
          {drag && <rect class="drag" x={Math.min(x(drag[0]), x(drag[1]))} width={Math.abs(x(drag[1]) - x(drag[0]))} y={0} height={height} />}
        </svg>
        <div class="labels" aria-hidden="true">
          {marks.map((ms) => (
            <span key={ms} style={{ left: `${scale(ms) * 100}%` }}>
              {duration(ms)}
            </span>
          ))}
          {brackets.map((bracket, k) => (
            <em key={bracket.text} style={{ left: `${Math.min(Math.max(scale(bracket.to), 0), 0.8) * 100}%`, top: `${HEAD + lanes.length * ROW + k * 16}px` }}>
              {bracket.text}
            </em>
          ))}
        </div>
      </div>
    </div>
  );
}

function bracketPath(from: number, to: number, y: number): string {
  return `M${from} ${y - 4}V${y + 4}M${from} ${y}H${to}M${to} ${y - 4}V${y + 4}`;
}

function kindOf(lane: string): string {
  return lane.split(/[ (]/, 1)[0] ?? "";
}

function statusOf(slice: ViewerSlice): string {
  const status = slice.facts["status"] ?? slice.facts["outcome"];
  return typeof status === "string" && /^[a-z_]+$/.test(status) ? `is-${status}` : "";
}

/** The time at a position; the scale only rises. */
function inverse(scale: Scale, from: number, to: number, position: number): number {
  let low = from;
  let high = to;
  for (let k = 0; k < 40; k += 1) {
    const middle = (low + high) / 2;
    if (scale(middle) < position) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
