"""A sweep that nobody has run, of any size: the table as ``spinloom sweep`` writes it, and a few run folders."""

import csv
import hashlib
import shutil
from itertools import product

STATES, SIGMAS = (2, 3, 5, 9, 17), (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
COLUMNS = ("run", "status", "error", "config", "device.states", "device.sigma", "seed", "test_accuracy",
           "baseline_accuracy", "write_pulses", "most_write_pulses", "samples_per_second", "epochs", "samples",
           "energy_joules", "digital_joules")


def rows(count):
    """``count`` runs, of which every 50th has failed."""
    for number in range(count):
        states, sigma = list(product(STATES, SIGMAS))[number % 40]
        seed = 1 + number // 40
        scatter = (number * 7919 % 101 - 50) / 100
        accuracy = round(94 - 12 / states - 8 * sigma**2 + scatter, 3)
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        head = {"run": digest, "status": "done", "error": "", "config": "digits-dw5", "device.states": states,
                "device.sigma": sigma, "seed": seed}
        if number % 50 == 49:
            yield head | {"status": "failed", "error": "interrupted <b>& lost</b>"}
            continue
        pulses = round(3000 * states**0.7 * (1 + sigma) + 100 * scatter)
        yield head | {"test_accuracy": accuracy, "baseline_accuracy": 94.15, "write_pulses": pulses,
                      "most_write_pulses": pulses // 90, "samples_per_second": 390_000 + number, "epochs": 3,
                      "samples": 1438, "energy_joules": 2.8e-5 * (1 + pulses / 1e6), "digital_joules": 2.6e-4}


def sweep(folder, count, run=None):
    """Make ``folder`` a sweep of ``count`` runs; the best, the median and the worst get the folder ``run``."""
    made = list(rows(count))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(made)
    if run is not None:
        done = sorted((row for row in made if row["status"] == "done"), key=lambda row: row["test_accuracy"])
        for row in (done[0], done[len(done) // 2], done[-1]):
            shutil.copytree(run, folder / "runs" / row["run"])
    return folder
