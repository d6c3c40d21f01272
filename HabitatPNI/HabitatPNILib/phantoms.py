"""A phantom cohort on disk, made by several processes."""

from __future__ import annotations

import csv
from pathlib import Path

from .cohort_run import collect_cases
from .errors import OutputError
from .imaging.phantom_cohort import IMAGE_NAMES, STUDY_SIZE, TABLE, CohortMember, phantom_cohort, write_member, write_phantom_table
from .progress import Progress, no_progress


def write_phantom_cohort(
    folder: Path, n: tuple[int, int, int] = STUDY_SIZE, seed: int = 1, jobs: int = 1, progress: Progress = no_progress
) -> Path:
    """Write a cohort: one folder a case, and last ``cohort.csv`` with paths relative to it. One that is there already is kept.

    Parameters
    ----------
    n, seed : sizes of the splits and seed, see `phantom_cohort`
    jobs : processes; they change no voxel

    Returns
    -------
    Path
        the cohort table; it is there only when every case is

    Raises
    ------
    OutputError
        when a file cannot be written
    """
    members = list(phantom_cohort(n=n, seed=seed))
    if _is_there(folder, members):
        progress(1.0, "The phantom cohort is there already")
        return folder / TABLE
    tasks = [(member.case_id, member, folder) for member in members]
    rows, failures = collect_cases(_write, tasks, jobs, progress, "Made")
    if failures:
        raise OutputError(f"{len(failures)} phantoms could not be written: {next(iter(failures.values()))}")
    table = write_phantom_table([rows[member.case_id] for member in members], folder)
    progress(1.0, "Phantom cohort written")
    return table


def _write(case_id: str, member: CohortMember, folder: Path) -> dict[str, object]:
    return write_member(member, folder)


def _is_there(folder: Path, members: list[CohortMember]) -> bool:
    """Whether a table of the same patients, by the same law, lies there with all its images."""
    try:
        with (folder / TABLE).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError:
        return False
    wanted = [(m.case_id, m.split, str(m.outcome), f"{m.probability:.6f}") for m in members]
    found = [(r.get("case_id"), r.get("split"), r.get("outcome"), r.get("true_probability")) for r in rows]
    return found == wanted and all((folder / str(r.get(name))).is_file() for r in rows for name in IMAGE_NAMES)
