import type { ComparedCell, ComparedRun, Comparison, MetricComparison, ViewerIndex } from "../types";
import type { Key } from "../dictionary";
import { duration, percent, signed } from "../format";
import { Section } from "../parts/basics";
import { link, t } from "../state";

export function Compare({ index }: { index: ViewerIndex }) {
  const { compared, run } = index;
  const shown = compared.length > 0 ? compared.map((one) => one.comparison) : [run.comparison];
  const comparisons = shown.filter((one): one is Comparison => one !== null);
  if (comparisons.length === 0) return <p class="note">{t("noComparison", { command: "pytest --execgo-matrix --execgo-compare RUN" })}</p>;
  return (
    <>
      {compared.length > 0 && <DifferentCells index={index} />}
      {comparisons.map((comparison) => (
        <OneComparison key={comparison.base} comparison={comparison} />
      ))}
    </>
  );
}

const MOST_CELLS = 200;

/** The cells whose numbers differ, a column for each run. */
function DifferentCells({ index }: { index: ViewerIndex }) {
  const now: ComparedRun["cells"] = Object.fromEntries(index.run.cells.map((cell) => [cell.cell_id, cell]));
  const runs: [string, ComparedRun["cells"]][] = [...index.compared.map((one): [string, ComparedRun["cells"]] => [one.run_id, one.cells]), [index.run.run_id, now]];
  const names = [...new Set(runs.flatMap(([, cells]) => Object.keys(cells)))].sort();
  const different = names.filter((name) => new Set(runs.map(([, cells]) => numbers(cells[name]))).size > 1);
  return (
    <Section title={t("cellsDiffer")}>
      {different.length === 0 ? (
        <p>{t("nothingDiffers")}</p>
      ) : (
        <>
          <p>{t("cellsDifferHint")}</p>
          <div class="scroll" tabIndex={0} role="region" aria-label={t("cellsDiffer")}>
            <table class="grid">
              <thead>
                <tr>
                  <th scope="col">{t("cell")}</th>
                  {runs.map(([run]) => (
                    <th scope="col" key={run}>
                      {run}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {different.slice(0, MOST_CELLS).map((name) => (
                  <tr key={name}>
                    <th scope="row">
                      <a href={link("trials", "", { q: name })}>{name}</a>
                    </th>
                    {runs.map(([run, cells]) => (
                      <Numbers key={run} found={cells[name]} />
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {different.length > MOST_CELLS && <p>{t("moreCells", { count: different.length - MOST_CELLS })}</p>}
        </>
      )}
    </Section>
  );
}

function numbers(cell: ComparedCell | undefined): string {
  return cell && cell.trials > 0 ? `${cell.passed}/${cell.trials}` : "–";
}

function Numbers({ found }: { found: ComparedCell | undefined }) {
  if (!found || found.trials === 0) return <td class="empty">{numbers(found)}</td>;
  const green = found.passed === found.trials;
  return (
    <td class={green ? "passed" : "failed"}>
      {green ? "✓" : "✗"} {numbers(found)}
    </td>
  );
}

function OneComparison({ comparison }: { comparison: Comparison }) {
  return (
    <>
      <Section title={t("changed", { base: comparison.base })}>
        <p class="headline">
          {comparison.gate.verdict}: {signed(comparison.gate.difference)} ({signed(comparison.gate.low)} … {signed(comparison.gate.high)})
        </p>
        <ChangedCells comparison={comparison} />
        {comparison.warnings.map((line) => (
          <p class="note" key={line}>
            {line}
          </p>
        ))}
      </Section>
      <div class="scroll" tabIndex={0} role="region" aria-label={t("compare")}>
        <table class="grid">
          <thead>
            <tr>
              {(["metric", "base", "now", "difference", "interval", "result"] as const).map((key) => (
                <th scope="col" key={key}>
                  {t(key)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {comparison.metrics.map((metric) => (
              <tr key={metric.name} class={metric.change === "worse" ? "bad" : metric.change === "better" ? "good" : ""}>
                <th scope="row">{metric.name}</th>
                <td class="number">{value(metric, metric.base)}</td>
                <td class="number">{value(metric, metric.new)}</td>
                <td class="number">{signed(metric.difference)}</td>
                <td class="number">{metric.low === null || metric.high === null ? "–" : `${signed(metric.low)} … ${signed(metric.high)}`}</td>
                <td>{t(metric.change === "worse" ? "worse" : metric.change === "better" ? "better" : "noEvidence")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function value(metric: MetricComparison, found: number): string {
  return metric.unit === "rate" ? percent(found) : duration(found);
}

const LISTS: [keyof Comparison & ("newly_red" | "newly_green" | "newly_named" | "new_cells" | "gone_cells"), Key][] = [
  ["newly_red", "newlyRed"],
  ["newly_green", "newlyGreen"],
  ["newly_named", "newlyNamed"],
  ["new_cells", "newCells"],
  ["gone_cells", "goneCells"],
];

export function ChangedCells({ comparison }: { comparison: Comparison }) {
  const found = LISTS.filter(([name]) => comparison[name].length > 0);
  if (found.length === 0) return <p>{t("nothing")}</p>;
  return (
    <dl>
      {found.map(([name, key]) => (
        <>
          <dt key={name}>
            {t(key)} ({comparison[name].length})
          </dt>
          <dd>
            {comparison[name].slice(0, 30).map((one) => (
              <span class="tag" key={one}>
                {name === "newly_red" || name === "newly_green" ? <a href={link("trials", "", { q: one })}>{one}</a> : one}
              </span>
            ))}
          </dd>
        </>
      ))}
    </dl>
  );
}
