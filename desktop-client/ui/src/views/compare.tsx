import type { Comparison, MetricComparison, ViewerIndex } from "../types";
import type { Key } from "../dictionary";
import { duration, percent, signed } from "../format";
import { Section } from "../parts/basics";
import { link, t } from "../state";

export function Compare({ index }: { index: ViewerIndex }) {
  const { comparison } = index.run;
  if (!comparison) return <p class="note">{t("noComparison", { command: "pytest --execgo-matrix --execgo-compare RUN" })}</p>;
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
