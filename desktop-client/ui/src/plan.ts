// The plan as a graph: stages beside each other, tasks below each other by their dependencies.
export interface PlanTask {
  id: string;
  type: string;
  stage: string;
  column: number;
  row: number;
}

export interface PlanEdge {
  from: string;
  to: string;
  /** A binding carries a result; an order only makes a task wait. */
  kind: "order" | "binding";
  label: string;
}

export interface PlanGraph {
  tasks: PlanTask[];
  edges: PlanEdge[];
  stages: { id: string; column: number; columns: number }[];
  columns: number;
  rows: number;
}

type Unknown = Record<string, unknown>;

function list(value: unknown): Unknown[] {
  return Array.isArray(value) ? value.filter((one): one is Unknown => typeof one === "object" && one !== null) : [];
}

/** `null` for what is not a plan: a plan of a model may be anything. */
export function planGraph(plan: unknown): PlanGraph | null {
  const stages = list((plan as Unknown | null)?.["stages"]);
  if (stages.length === 0) return null;
  const graph: PlanGraph = { tasks: [], edges: [], stages: [], columns: 0, rows: 0 };
  for (const stage of stages) {
    const tasks = list((stage["task_graph"] as Unknown | undefined)?.["tasks"]);
    const name = String(stage["stage_id"] ?? "");
    const depths = depthsOf(tasks);
    const rows = new Map<number, number>();
    for (const task of tasks) {
      const id = String(task["id"] ?? "");
      const depth = depths.get(id) ?? 0;
      const row = rows.get(depth) ?? 0;
      rows.set(depth, row + 1);
      graph.rows = Math.max(graph.rows, row + 1);
      graph.tasks.push({ id, type: String(task["type"] ?? ""), stage: name, column: graph.columns + depth, row });
      for (const other of strings(task["depends_on"])) graph.edges.push({ from: other, to: id, kind: "order", label: "" });
    }
    for (const binding of list(stage["bindings"])) {
      graph.edges.push({
        from: String(binding["source_task_id"] ?? ""),
        to: String(binding["target_task_id"] ?? ""),
        kind: "binding",
        label: `${String(binding["source_path"] ?? "")} → ${String(binding["target_param_path"] ?? "")}`,
      });
    }
    const columns = Math.max(1, ...[...depths.values()].map((depth) => depth + 1));
    graph.stages.push({ id: name, column: graph.columns, columns });
    graph.columns += columns;
  }
  return graph;
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
}

/** How many tasks a task waits for, one after the other; a cycle counts as none. */
function depthsOf(tasks: readonly Unknown[]): Map<string, number> {
  const before = new Map(tasks.map((task) => [String(task["id"] ?? ""), strings(task["depends_on"])]));
  const depths = new Map<string, number>();
  const open = new Set<string>();
  const depth = (id: string): number => {
    const known = depths.get(id);
    if (known !== undefined) return known;
    if (open.has(id) || !before.has(id)) return -1;
    open.add(id);
    const found = 1 + Math.max(-1, ...(before.get(id) ?? []).map(depth));
    open.delete(id);
    depths.set(id, found);
    return found;
  };
  for (const id of before.keys()) depth(id);
  return depths;
}
