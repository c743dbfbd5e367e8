"""Checks of long_chain_dag, based on the times that ExecGo recorded."""


def lineage(trial):
    """No task started before all of its parents had ended."""
    compared = 0
    for stage in trial.plan.stages:
        for task in stage.task_graph.tasks:
            for parent in task.depends_on:
                ended, started = trial.finished(parent), trial.started(task.id)
                assert started >= ended, (
                    f"{task.id} started {started}, its parent {parent} ended {ended}"
                )
                compared += 1
    assert compared >= 30, f"only {compared} edges to compare"


def whole_graph_ran(trial):
    """Every task of the plan ended in success."""
    missing = [
        name
        for name in trial.plan.task_ids()
        if trial.tasks.get(name, {}).get("status") != "success"
    ]
    assert not missing, f"not successful: {', '.join(missing)}"
