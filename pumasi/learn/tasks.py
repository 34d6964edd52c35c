"""The tasks of the network: what every hospital trains alike, each behind its own gate."""

from dataclasses import replace

from pumasi.learn.asthma_exacerbation import ASTHMA_EXACERBATION
from pumasi.learn.fabry_screening import FABRY_SCREENING
from pumasi.learn.gi_bleed_risk import GI_BLEED_RISK
from pumasi.learn.network_model import NetworkTask
from pumasi.learn.task import Task

TASKS = (GI_BLEED_RISK, ASTHMA_EXACERBATION, FABRY_SCREENING)

FABRY_TEST = "measurement.fabry_test_has_a_unit"


def _with_those_who_test_nobody(task: Task) -> Task:
    """The task as the network learns it: a hospital that tests nobody takes part with its persons.

    It has no recorded case and learns nothing alone. Its undiagnosed cases count as persons
    without the disease, as they do at the hospitals that test few.
    """
    needs = [replace(n, nothing_passes=True) if n.check == FABRY_TEST else n for n in task.needs]
    return replace(task, needs=tuple(needs))


# What the network learns: tasks for which hospitals have cases enough only together, or which may
# be better for all of them.
NETWORK_TASKS = (
    NetworkTask(ASTHMA_EXACERBATION, "ridge"),
    NetworkTask(
        _with_those_who_test_nobody(FABRY_SCREENING),
        "firth",
        interactions=(
            "age_at_index:is_female",
            "is_lvh_gate:is_female",
            "is_kidney_gate:is_female",
        ),
        minimum_outcome=3,
    ),
)

# What a hospital can be asked about over the network.
ASKED = tuple(
    {
        **{task.name: task for task in TASKS},
        **{plan.task.name: plan.task for plan in NETWORK_TASKS},
    }.values()
)
