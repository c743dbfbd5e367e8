import type { ComponentChildren } from "preact";
import type { CellResult, ViewerIndex } from "../types";
import { duration, percent } from "../format";
import { HeatMap } from "../parts/heat_map";
import { Section, Verdict } from "../parts/basics";
import type { Row } from "../rows";
import type { Host } from "../source";
import { link, t } from "../state";
import { ChangedCells } from "./compare";

export function Overview({ index, rows, host }: { index: ViewerIndex; rows: readonly Row[]; host: Host }) {
  const { run } = index;
  const larger = Math.ceil(index.budget_mib * 4);
  return (
    <>
      <Trust index={index} />
      {index.left_out > 0 && (
        <p class="note">
          {t("leftOut", {
            count: index.left_out,
            budget: index.budget_mib,
            command: `python -m pytest_execgo report ${run.run_id} --html-budget ${larger}`,
          })}
          {host.enlarge && (
            <button type="button" onClick={() => host.enlarge?.(larger)}>
              {t("enlarge")}
            </button>
          )}
        </p>
      )}
      <div class="columns">
        <Section title={t("heatMap")}>
          <HeatMap cells={run.cells} />
        </Section>
        <div>
          <Red rows={rows} />
          {run.comparison && (
            <Section title={t("changed", { base: run.comparison.base })}>
              <ChangedCells comparison={run.comparison} />
            </Section>
          )}
        </div>
      </div>
      <div class="columns">
        <Ranking title={t("slowest")} cells={slowest(run.cells)} text={(cell) => t("medianTime", { time: duration(wall(cell)) })} />
        <Ranking title={t("flakiest")} cells={flakiest(run.cells)} text={(cell) => t("drift", { percent: percent(cell.rates.determinism_drift) })} />
      </div>
      {index.problems.length > 0 && (
        <Section title={t("problems")}>
          <ul>
            {index.problems.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </Section>
      )}
    </>
  );
}

function Trust({ index }: { index: ViewerIndex }) {
  const { run } = index;
  const { cells, controls, coverage, attribution } = run;
  const sum = (value: (cell: CellResult) => number): number => cells.reduce((total, cell) => total + value(cell), 0);
  const fired = coverage.reduce((total, row) => total + row.fired, 0);
  const armed = coverage.reduce((total, row) => total + row.fired + row.armed_not_fired, 0);
  const held = controls.filter((control) => control.ok).length;
  const errors = sum((cell) => cell.errors);
  const known = sum((cell) => cell.known_findings);
  const passed = sum((cell) => cell.passed);
  const of = sum((cell) => cell.trials);
  return (
    <ul class="trust" aria-label={t("trust")}>
      <Chip good={passed === of}>{t("passedOf", { passed, of })}</Chip>
      <Chip good={run.trustworthy}>{t(run.trustworthy ? "trustworthy" : "notTrustworthy")}</Chip>
      {controls.length > 0 && <Chip good={held === controls.length}>{t("controls", { held, of: controls.length })}</Chip>}
      {armed > 0 && <Chip good={fired === armed}>{t("faultsInjected", { count: fired, of: armed })}</Chip>}
      {attribution.trials > 0 && <Chip good={attribution.correct === attribution.trials}>{t("causesNamed", { count: attribution.correct, of: attribution.trials })}</Chip>}
      {errors > 0 && <Chip good={false}>{t("harnessErrors", { count: errors })}</Chip>}
      {known > 0 && <Chip good>{t("knownFindings", { count: known })}</Chip>}
      {run.gates.map((gate) => (
        <Chip key={gate.expression} good={gate.verdict === "PASS"} title={gate.reason}>
          {t(gate.verdict === "BLOCK" ? "gateBlock" : gate.verdict === "PASS" ? "gatePass" : "gateUndecided")}: {gate.expression} ({gate.reason})
        </Chip>
      ))}
    </ul>
  );
}

function Chip({ good, children, title }: { good: boolean; children: ComponentChildren; title?: string }) {
  return (
    <li class={good ? "good" : "bad"} title={title}>
      <span aria-hidden="true">{good ? "✓" : "✗"}</span> {children}
    </li>
  );
}

const MOST_CAUSES = 8;

function Red({ rows }: { rows: readonly Row[] }) {
  const red = rows.filter((row) => ["failed", "inconclusive", "error"].includes(row.verdict));
  if (red.length === 0) return <p class="note good">{t("everythingPassed")}</p>;
  const groups = new Map<string, Row[]>();
  for (const row of red) {
    const name = row.cause || row.verdict;
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  const ordered = [...groups].sort((one, other) => other[1].length - one[1].length).slice(0, MOST_CAUSES);
  return (
    <Section title={t("notPassed")}>
      <ul class="red">
        {ordered.map(([cause, members]) => (
          <li key={cause}>
            <a href={link("trials", "", { q: members[0]?.cause ? `cause:"${cause}" -verdict:passed` : `verdict:${cause}` })}>
              {members.length} × {cause}
            </a>
            <ul>
              {members.slice(0, 3).map((row) => (
                <li key={row.id}>
                  <Verdict name={row.verdict} /> <a href={link("trial", row.id)}>{row.id}</a>
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Ranking({ title, cells, text }: { title: string; cells: CellResult[]; text: (cell: CellResult) => string }) {
  if (cells.length === 0) return null;
  return (
    <Section title={title}>
      <ol>
        {cells.map((cell) => (
          <li key={cell.cell_id}>
            <a href={link("trials", "", { q: `scenario:${cell.scenario} framework:${cell.framework} mode:${cell.mode} chaos:${cell.chaos}` })}>{cell.cell_id}</a> {text(cell)}
          </li>
        ))}
      </ol>
    </Section>
  );
}

function wall(cell: CellResult): number | null {
  return cell.metrics["wall_time_ms"]?.median ?? null;
}

function slowest(cells: readonly CellResult[]): CellResult[] {
  return [...cells].filter((cell) => wall(cell) !== null).sort((a, b) => (wall(b) ?? 0) - (wall(a) ?? 0)).slice(0, 5);
}

function flakiest(cells: readonly CellResult[]): CellResult[] {
  const drift = (cell: CellResult): number => cell.rates.determinism_drift ?? 0;
  return [...cells].filter((cell) => drift(cell) > 0).sort((a, b) => drift(b) - drift(a)).slice(0, 5);
}
