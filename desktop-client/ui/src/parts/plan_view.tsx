import { planGraph } from "../plan";
import { t } from "../state";

const WIDTH = 190;
const HEIGHT = 54;
const BOX = 150;

/** The plan as a graph; bindings are drawn as curves with a title. */
export function PlanView({ plan }: { plan: unknown }) {
  const graph = planGraph(plan);
  if (graph === null) return <p>{t("nothing")}</p>;
  const places = new Map(graph.tasks.map((task) => [task.id, task]));
  const x = (column: number): number => column * WIDTH + 10;
  const y = (row: number): number => row * HEIGHT + 34;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t("plan")}>
      <svg class="plan" width={graph.columns * WIDTH + 20} height={graph.rows * HEIGHT + 44} role="img" aria-label={t("plan")}>
        {graph.stages.map((stage) => (
          <g key={stage.id}>
            <rect class="stage" x={x(stage.column) - 6} y={4} width={stage.columns * WIDTH - 28} height={graph.rows * HEIGHT + 34} rx={6} />
            <text class="stage-name" x={x(stage.column)} y={22}>
              {t("stage", { name: stage.id })}
            </text>
          </g>
        ))}
        {graph.edges.map((edge) => {
          const from = places.get(edge.from);
          const to = places.get(edge.to);
          if (!from || !to) return null;
          const [x1, y1, x2, y2] = [x(from.column) + BOX, y(from.row) + 18, x(to.column), y(to.row) + 18];
          const bend = Math.max(20, (x2 - x1) / 2);
          return (
            <path class={edge.kind} d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`}>
              <title>{`${edge.from} → ${edge.to}${edge.label ? `\n${edge.label}` : ""}`}</title>
            </path>
          );
        })}
        {graph.tasks.map((task) => (
          <g key={`${task.stage}/${task.id}`}>
            <rect class="task" x={x(task.column)} y={y(task.row)} width={BOX} height={36} rx={4} />
            <text x={x(task.column) + 8} y={y(task.row) + 15}>
              {short(task.id)}
              <title>{task.id}</title>
            </text>
            <text class="type" x={x(task.column) + 8} y={y(task.row) + 29}>
              {short(task.type)}
            </text>
          </g>
        ))}
      </svg>
    </div>
  );
}

function short(text: string): string {
  return text.length > 20 ? `${text.slice(0, 19)}…` : text;
}
