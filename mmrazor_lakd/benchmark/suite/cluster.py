"""Hands the trainings of a suite to a cluster, through submitit."""

import importlib.util
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from ...config_check import reduce
from ...errors import SettingError
from ..processes import explain_failure, wait_for
from .launch import OUTPUT, Job, Start, start_training

#: where jobs can go: SLURM, or processes of this machine as if it were one
CLUSTERS = ('slurm', 'local')
# Left in a training's folder: its job, and the status with which it ended.
JOB_FILE = 'cluster_job'
STATUS_FILE = 'exit_status'
# Between two calls of squeue, which loads the whole cluster's controller.
QUEUE_SECONDS = 10
# Until a job that has left the queue is given up: a shared file system may
# show its last files late.
LATE_SECONDS = 30
# submitit's own limit is 5 minutes.
TIMEOUT_MINUTES = 24 * 60
# States of SLURM in which a job never goes on; it names the others by itself.
ENDED = (
    'BOOT_FAIL', 'CANCELLED', 'COMPLETED', 'DEADLINE', 'FAILED', 'NODE_FAIL',
    'OUT_OF_MEMORY', 'PREEMPTED', 'REVOKED', 'TIMEOUT'
)  # fmt: skip


class ClusterTraining:
    """Runs one training in a job; what submitit saves and calls there."""

    def __init__(self, start: Start) -> None:
        self.start = start

    def __call__(self) -> None:
        """Run it as a process and leave its exit status in its folder."""
        # The job may have been requeued, and the status may be an old one.
        status = self.start.work_dir / STATUS_FILE
        status.unlink(missing_ok=True)
        process = start_training(self.start)
        wait_for(process, lambda: None, 0.5)
        part = status.with_suffix('.part')
        part.write_text(str(process.returncode))
        os.replace(part, status)

    def checkpoint(self):
        """Go on after a preemption or a time limit.

        submitit calls it, and requeues the job.
        """
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class ClusterLauncher:
    """Starts trainings as jobs, those of one call as an array.

    Args:
        cluster (str): One of :data:`CLUSTERS`.
        folder (Path): For submitit's files.
        name (str): Name of the jobs.
        options (dict): Parameters of submitit's ``AutoExecutor``.

    Raises:
        SettingError: If submitit or SLURM is missing, or an option is none.
    """

    is_remote = True

    def __init__(
        self, cluster: str, folder: Path, name: str, options: Dict[str, Any]
    ) -> None:
        if importlib.util.find_spec('submitit') is None:
            raise SettingError(
                f'--cluster={cluster} needs the package submitit, which is '
                f"not installed; pip install 'mmrazor-lakd[cluster]'."
            )
        programs = ('sbatch', 'srun', 'squeue', 'scancel')
        missing = [n for n in programs if shutil.which(n) is None]
        if cluster == 'slurm' and missing:
            raise SettingError(
                f'--cluster=slurm needs {", ".join(missing)} of SLURM, which '
                f'this machine lacks; call it on one of the cluster, such as '
                f'its login node, or leave the option out.'
            )
        import submitit

        self.is_slurm = cluster == 'slurm'
        self.options = {
            'name': name,
            'timeout_min': TIMEOUT_MINUTES,
            **options,
        }
        self.executor = submitit.AutoExecutor(folder, cluster=cluster)
        try:
            self.executor.update_parameters(**self.options)
        except (AssertionError, NameError, TypeError, ValueError) as error:
            raise SettingError(
                f'--cluster-options {" ".join(options)}: {reduce(error)}; '
                f'write parameters of submitit, such as timeout_min=600 '
                f'gpus_per_node=1 slurm_partition=NAME.'
            ) from error
        self._states: Optional[Dict[str, str]] = None
        self._asked = 0.0

    def start(self, starts: Sequence[Start]) -> List[Job]:
        """Hand trainings to the cluster.

        A training whose job is still there, since this program was killed,
        is not handed over again.

        Raises:
            SettingError: If the cluster refuses them.
        """
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        jobs = {start: self._find_again(start) for start in starts}
        new = [start for start, job in jobs.items() if job is None]
        for start in new:
            for name in (JOB_FILE, STATUS_FILE):
                (start.work_dir / name).unlink(missing_ok=True)
        try:
            submitted = (
                self.executor.submit_array([ClusterTraining(s) for s in new])
                if new
                else []
            )
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            said = [n for n in str(error).splitlines() if 'error:' in n]
            raise SettingError(
                f'The cluster refuses the jobs '
                f'({said[-1] if said else reduce(error)}); change '
                f'--cluster-options.'
            ) from error
        for start, job in zip(new, submitted):
            (start.work_dir / JOB_FILE).write_text(job.job_id)
            jobs[start] = ClusterJob(self, job, start.work_dir)
        self._states = None  # what was known lacks the new ones
        return [jobs[start] for start in starts]

    def _find_again(self, start: Start) -> Optional[Job]:
        """Find the job of an earlier call that is queued or at work."""
        known = start.work_dir / JOB_FILE
        if not self.is_slurm or not known.is_file():
            return None
        from submitit import SlurmJob

        number = known.read_text(errors='replace').strip()
        if (self.states() or {}).get(number, ENDED[0]) in ENDED:
            return None
        job: Any = SlurmJob(self.executor.folder, number)
        return ClusterJob(self, job, start.work_dir)

    def states(self) -> Optional[Dict[str, str]]:
        """Ask SLURM for the states of the jobs of this name, by their ids.

        Returns:
            dict: None while SLURM doesn't answer. It forgets a job some
            minutes after its end.
        """
        if time.time() - self._asked > QUEUE_SECONDS or self._states is None:
            self._asked = time.time()
            # sacct, which submitit asks, needs an accounting data base.
            done = subprocess.run(
                [
                    *('squeue', '--noheader', '--array', '--states=all'),
                    *('--user', str(os.getuid()), '--format=%i|%T'),
                    *('--name', str(self.options['name'])),
                ],
                capture_output=True,
                text=True,
            )
            if done.returncode == 0:
                self._states = dict(
                    line.split('|') for line in done.stdout.splitlines()
                )
        return self._states


class ClusterJob:
    """A training in the queue of a cluster, or at work there.

    Args:
        launcher (ClusterLauncher): Knows the states.
        job (submitit.Job): The job.
        work_dir (Path): The training's folder.
    """

    def __init__(
        self, launcher: ClusterLauncher, job: Any, work_dir: Path
    ) -> None:
        self.launcher = launcher
        self.job = job
        self.work_dir = work_dir
        self.started: Optional[float] = None
        self.gone: Optional[float] = None
        self.status: Optional[int] = None
        self.state = 'PENDING'

    @property
    def seconds(self) -> Optional[float]:
        """float: How long it has been at work; None in the queue."""
        return None if self.started is None else time.time() - self.started

    def poll(self) -> Optional[int]:
        """Return its exit status; None until it has ended."""
        try:
            self.status = int((self.work_dir / STATUS_FILE).read_text())
            return self.status
        except (OSError, ValueError):
            pass
        if not self.launcher.is_slurm:
            self.state = self.job.state
            has_ended = self.state != 'RUNNING'
        else:
            states = self.launcher.states()
            if states is None:
                return None
            self.state = states.get(self.job.job_id, 'gone')
            has_ended = self.state in (*ENDED, 'gone')
        if self.state == 'PENDING':
            self.started = None  # requeued
        elif self.started is None:
            self.started = time.time()
        if not has_ended:
            self.gone = None
            return None
        self.gone = self.gone or time.time()
        return 1 if time.time() - self.gone > LATE_SECONDS else None

    def explain(self) -> str:
        """Explain in one line why it failed."""
        if self.status is not None:
            return explain_failure(self.status, self.work_dir / OUTPUT)
        return (
            f'the cluster ended its job {self.job.job_id} ({self.state}); '
            f'see {self.job.paths.stderr}'
        )

    def terminate(self) -> None:
        """Take it from the cluster."""
        self.job.cancel(check=False)
        (self.work_dir / JOB_FILE).unlink(missing_ok=True)
