import type { CellResult } from "../types";
import { percent, verdictOf } from "../format";
import { link, t } from "../state";

/** One table for each framework and mode: chaos profiles × scenarios. */
export function HeatMap({ cells }: { cells: readonly CellResult[] }) {
  const groups = new Map<string, CellResult[]>();
  for (const cell of cells) {
    const name = `${cell.framework} · ${cell.mode}`;
    groups.set(name, [...(groups.get(name) ?? []), cell]);
  }
  return (
    <div class="heat">
      {[...groups].map(([name, members]) => (
        <Group key={name} name={name} cells={members} />
      ))}
      <p class="hint">{t("heatHint")}</p>
    </div>
  );
}

function Group({ name, cells }: { name: string; cells: CellResult[] }) {
  const scenarios = unique(cells.map((cell) => cell.scenario));
  const profiles = unique(cells.map((cell) => cell.chaos));
  const found = new Map(cells.map((cell) => [`${cell.scenario}-${cell.chaos}`, cell]));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={name}>
      <table class="grid">
        <caption>{name}</caption>
        <thead>
          <tr>
            <td />
            {scenarios.map((scenario) => (
              <th scope="col" key={scenario}>
                {scenario}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {profiles.map((chaos) => (
            <tr key={chaos}>
              <th scope="row">{chaos}</th>
              {scenarios.map((scenario) => (
                <Cell key={scenario} cell={found.get(`${scenario}-${chaos}`)} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cell({ cell }: { cell: CellResult | undefined }) {
  if (cell === undefined || cell.trials + cell.skipped === 0) return <td class="empty" />;
  const { success } = cell.rates;
  const title =
    success.of === 0
      ? t("cellTitleEmpty", { cell: cell.cell_id })
      : t("cellTitle", {
          cell: cell.cell_id,
          passed: success.count,
          of: success.of,
          low: percent(success.low),
          high: percent(success.high),
        });
  const state = stateOf(cell);
  const query = `scenario:${cell.scenario} framework:${cell.framework} mode:${cell.mode} chaos:${cell.chaos}`;
  return (
    <td class={`cell ${state}`}>
      <a href={link("trials", "", { q: query })} title={title} aria-label={title}>
        <span aria-hidden="true">{verdictOf(state).glyph}</span> {cell.passed}/{cell.trials}
      </a>
    </td>
  );
}

function stateOf(cell: CellResult): string {
  if (cell.errors > 0) return "error";
  if (cell.failed > 0) return "failed";
  if (cell.inconclusive > 0) return "inconclusive";
  if (cell.known_findings > 0) return "known";
  return cell.trials > 0 ? "passed" : "skipped";
}

function unique(names: string[]): string[] {
  return [...new Set(names)].sort();
}
