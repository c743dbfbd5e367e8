import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props<Row> {
  label: string;
  head: ComponentChildren;
  rows: readonly Row[];
  row: (row: Row, number: number) => ComponentChildren;
  /** The row that is kept in view. */
  current: number;
  columns: number;
  rowHeight: number;
}

/** A table in a box that scrolls. Only the rows in view are in the document. */
export function WindowTable<Row>({ label, head, rows, row, current, columns, rowHeight }: Props<Row>) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const measure = (): void => setHeight(element.clientHeight);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || current < 0) return;
    const place = current * rowHeight;
    const room = element.clientHeight - 3 * rowHeight;
    if (place < element.scrollTop) element.scrollTop = place;
    else if (place > element.scrollTop + room) element.scrollTop = place - room;
  }, [current, rowHeight]);
  const extra = 10;
  const first = Math.max(0, Math.floor(top / rowHeight) - extra);
  const last = Math.min(rows.length, Math.ceil((top + height) / rowHeight) + extra);
  return (
    <div class="window" ref={box} tabIndex={0} role="region" aria-label={label} onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
      <table aria-rowcount={rows.length + 1}>
        <thead>{head}</thead>
        <tbody>
          <Space height={first * rowHeight} columns={columns} />
          {rows.slice(first, last).map((one, k) => row(one, first + k))}
          <Space height={(rows.length - last) * rowHeight} columns={columns} />
        </tbody>
      </table>
    </div>
  );
}

function Space({ height, columns }: { height: number; columns: number }) {
  return height > 0 ? (
    <tr aria-hidden="true">
      <td class="space" colSpan={columns} style={{ height: `${height}px` }} />
    </tr>
  ) : null;
}
