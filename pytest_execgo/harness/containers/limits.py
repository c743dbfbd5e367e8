"""Limits on a running container (cpu, memory, pids): set them, remove them, read them.

``docker update`` cannot return to unlimited memory, and refuses a limit below the memory in use. The
SDK's ``update`` does not support pids. Therefore this module calls the engine's HTTP API.
"""

from __future__ import annotations

from typing import Any

from docker.errors import APIError

FREE = "unlimited"
_MEGABYTE = 1024 * 1024
_PERIOD_MICROSECONDS = 100_000
_LEAST_QUOTA_MICROSECONDS = 1_000
_LEAST_MEMORY = 6 * _MEGABYTE
# More than any machine has, and below the largest number that the kernel accepts.
_ALL_MEMORY = 1 << 60
_FACTS = {"cpu": "CpuCfsQuota", "memory": "MemoryLimit", "pids": "PidsLimit"}


def unsupported(resource: str, facts: dict[str, Any]) -> str | None:
    """Why the engine cannot limit a resource; ``None`` if it can."""
    if facts.get(_FACTS[resource], True):
        return None
    return f"this Docker engine cannot limit {resource} (its kernel or cgroups lack it)"


def put(container: Any, resource: str, amount: float) -> None:
    """Set a limit; see :meth:`ContainerService.limit` for the units."""
    if resource == "cpu":
        quota = max(_LEAST_QUOTA_MICROSECONDS, int(amount * _PERIOD_MICROSECONDS))
        _update(container, CpuPeriod=_PERIOD_MICROSECONDS, CpuQuota=quota)
    elif resource == "memory":
        wanted = max(_LEAST_MEMORY, int(amount * _MEGABYTE), _held(container))
        _update(container, Memory=wanted, MemorySwap=wanted)
    else:
        _update(container, PidsLimit=_pids(container) + int(amount))


def remove(container: Any, resource: str) -> None:
    """Remove a limit."""
    if resource == "cpu":
        _update(container, CpuQuota=-1)
    elif resource == "memory":
        # ``MemorySwap`` is the sum of memory and swap. With cgroups v2, the same value as for memory
        # would mean no swap. Cgroups v1 refuse an unlimited sum while memory has a limit.
        swap = -1 if str(container.client.info().get("CgroupVersion")) == "2" else _ALL_MEMORY
        _update(container, Memory=_ALL_MEMORY, MemorySwap=swap)
    else:
        _update(container, PidsLimit=-1)


def seen(host_config: dict[str, Any]) -> dict[str, str]:
    """The limits in a container's ``HostConfig`` by resource, as text."""
    quota, memory = host_config.get("CpuQuota") or 0, host_config.get("Memory") or 0
    pids = host_config.get("PidsLimit") or 0
    period = host_config.get("CpuPeriod") or _PERIOD_MICROSECONDS
    return {
        "cpu": f"{quota / period:g} of a processor" if quota > 0 else FREE,
        "memory": f"{memory // _MEGABYTE} MB" if 0 < memory < _ALL_MEMORY else FREE,
        "pids": str(pids) if pids > 0 else FREE,
    }


def _held(container: Any) -> int:
    """Bytes that the kernel cannot reclaim: a lower limit would be refused, or kill at once."""
    memory = _stats(container).get("memory_stats", {})
    details = memory.get("stats", {})
    files = sum(
        details.get(f"total_{name}", details.get(name, 0))
        for name in ("inactive_file", "active_file")
    )
    return int(memory.get("usage", 0)) - int(files) + _MEGABYTE


def _pids(container: Any) -> int:
    return int(_stats(container).get("pids_stats", {}).get("current") or 1)


def _stats(container: Any) -> dict[str, Any]:
    found: dict[str, Any] = container.client.api.stats(container.id, stream=False, one_shot=True)
    return found


def _update(container: Any, **wanted: int) -> None:
    api = container.client.api
    url = f"{api.base_url}/v{api.api_version}/containers/{container.id}/update"
    reply = api.post(url, json=wanted, timeout=api.timeout)
    if not reply.ok:
        raise APIError(reply.text.strip(), response=reply)
