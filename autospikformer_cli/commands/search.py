"""Search a supernet's subnets for high accuracy and little energy."""

from __future__ import annotations

from typing import Any

from autospikformer_cli.cli.options import (
    ComputeOptions,
    ConventionOption,
    DryRunOption,
    ProfileOption,
    RunOption,
    SetOption,
    overrides_of,
)
from autospikformer_cli.cli.search_options import (
    AddressOption,
    AlgorithmOption,
    AlphasOption,
    ExecutorOption,
    FreshSearchOption,
    FrontOption,
    MaxEnergyOption,
    MaxParamsOption,
    MaxSopsOption,
    MaxTimeStepOption,
    NameOption,
    RecountOption,
    SeedsOption,
    WorkersOption,
)
from autospikformer_cli.cli.session import Session


def search(
    session: Session,
    compute: ComputeOptions,
    alpha: AlphasOption = [],  # noqa: B006
    seeds: SeedsOption = 1,
    algorithm: AlgorithmOption = None,
    max_params: MaxParamsOption = None,
    max_energy: MaxEnergyOption = None,
    max_sops: MaxSopsOption = None,
    max_time_step: MaxTimeStepOption = None,
    profile: ProfileOption = None,
    convention: ConventionOption = None,
    name: NameOption = None,
    front: FrontOption = None,
    executor: ExecutorOption = "in-process",
    workers: WorkersOption = None,
    address: AddressOption = None,
    fresh: FreshSearchOption = False,
    recount: RecountOption = False,
    dry_run: DryRunOption = False,
    run: RunOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Search a run's supernet by evolution under F_AEB, or otherwise. A search that has begun goes on where it
    stopped.

    Another search of the same run, for example with another --alpha, keeps the earlier one. It takes over what was
    measured under the same conditions, with its ids. --name, or the same keys again, goes on with an earlier search.
    Several --alpha, or --seeds, are one search after the other, which the same command resumes, and their comparison.

    Example: aspk search --front front.png
    """
    from autospikformer_cli.api import recount_subnets, search_several, search_subnets
    from autospikformer_cli.commands.search_output import require_together, show_comparison, show_plan, show_search
    from autospikformer_cli.evaluation.executors import ExecutorOptions, require_executor

    by_key = {
        "search.alpha": alpha[0] if alpha else None,
        "search.algorithm": algorithm,
        "search.limits.params": max_params,
        "search.limits.energy": max_energy,
        "search.limits.sops": max_sops,
        "search.limits.time_step": max_time_step,
        "energy.profile": profile,
        "energy.convention": convention,
    }
    given = overrides_of(overrides, by_key)
    several = seeds > 1 or len(alpha) > 1
    require_together(alpha, several, name, fresh, recount, dry_run, front)
    where: dict[str, Any] = {"executor": executor, "workers": workers, "address": address}
    how: dict[str, Any] = {"compute": compute, "say": session, "interruptible": session.interruptible}
    require_executor(executor, ExecutorOptions(workers, address))
    if dry_run:
        show_plan(session, compute, run, given, name, fresh, seeds * max(1, len(alpha)))
    elif recount:
        show_search(session, recount_subnets(run, given, search=name, **where, **how), front)
    elif several:
        show_comparison(session, search_several(run, given, alphas=alpha, seeds=seeds, **where, **how))
    else:
        show_search(session, search_subnets(run, given, name=name, fresh=fresh, **where, **how), front)
