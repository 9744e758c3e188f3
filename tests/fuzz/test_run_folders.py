"""Run folders that are damaged: a run goes on to the bits that it would have had, or is refused in a line."""

import io
import json
import shutil
import struct
import tomllib
import zipfile
from random import Random

import numpy as np
import pytest
from spinloom.config import parse
from spinloom.contract.errors import InterruptedRunError
from spinloom.train import data, lockstep, loop, run_folder, transfer
from spinloom.train.identity import Identity, digest_of

from . import damage
from .campaign import SECONDS, Campaign
from .outcome import outcome

CONFIG = """
epochs = 2
{more}
[input]
count = 64
[device]
kind = "{kind}"
[[layers]]
cols = 4
weight_step = -2
z_frac = 6
[[layers]]
cols = 10
weight_step = -1
"""
MORE = {"plain": ("domain_wall", ""), "host": ("domain_wall", 'batch = 10\nhost.optimizer = "adam"'),
        "pair": ("pcm_pair", 'update.residual = "nominal"'), "exsitu": ("domain_wall", "transfer = {}")}
VALUES = (None, True, -1, 0, 1, 3, 10**30, 1.5, -0.0, 1e400, "", "x", "7", "a" * 5000, [], {}, [1], [[]], {"a": 1},
          float("nan"))


class _Stop:
    """A request to stop that is always there."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def is_set(self):
        return True


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """For each kind: its configuration, a run that has ended, and one that was interrupted."""
    place, found = tmp_path_factory.mktemp("runs"), {}
    for name, (kind, more) in MORE.items():
        path = place / f"{name}.toml"
        path.write_text(CONFIG.format(kind=kind, more=more))
        experiment = parse(tomllib.loads(path.read_text()), name)
        runner = transfer.run if experiment.transfer else loop.run
        options = {"samples": 30, "baseline": True, "progress": False}
        runner(experiment, out=place / name / "ended", **options)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "deferred_stop", _Stop)
            with pytest.raises(InterruptedRunError):
                runner(experiment, out=place / name / "torn", **options)
        found[name] = path, place / name
    _lockstep(place, *found["plain"])
    return found


def _lockstep(place, path, folder):
    """What a run in lock-step leaves."""
    experiment = parse(tomllib.loads(path.read_text()), "plain")
    identity = Identity.of("epoch", experiment, data.load(experiment), samples=30)
    for name, position in (("checkpoint", lockstep.Position(sample=7, correct=2)),
                           ("lockstep", lockstep.Position(sample=30, correct=4))):
        record = run_folder.create(folder / name, identity)
        state = lockstep.Network(experiment).state()
        lockstep.write_checkpoint(folder / name, record, state, position)
        if name == "lockstep":
            (folder / name / "checkpoint.npz").rename(folder / name / "state.npz")


def arrays(path):
    with np.load(path) as file:
        return dict(file)


def saved(content: dict[str, np.ndarray], save=np.savez) -> bytes:
    file = io.BytesIO()
    save(file, **content)
    return file.getvalue()


def archived(members: dict[str, bytes], compression: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def claiming(shape: str, dtype: str, content: bytes = b"") -> bytes:
    """An array in NumPy's format that claims what it has not."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def odd_array(random: Random, array: np.ndarray) -> np.ndarray:
    """Something else in the place of ``array``."""
    return random.choice((
        lambda: np.zeros(3, dtype=np.int64), lambda: np.full(array.shape, 0.5),
        lambda: np.array("text"), lambda: np.array([]), lambda: array.reshape(-1), lambda: array[np.newaxis],
        lambda: array.astype(">i8") if array.dtype.kind in "iu" else array.astype(">f8") if array.dtype.kind == "f"
        else array, lambda: np.asarray(-1), lambda: np.asarray(2**63 - 1), lambda: np.asarray(np.nan),
        lambda: np.asarray(True), lambda: np.asarray(1 + 1j), lambda: np.full((50, 50), 10**15),
        lambda: np.array("2020-01-01", dtype="datetime64[D]"), lambda: np.zeros((0, 5)),
        lambda: np.asfortranarray(array),
    ))()


def odd_state(random: Random, path) -> bytes:
    """The state in ``path``, saved in another way, or with something else in it."""
    content = arrays(path)
    name = random.choice(sorted(content))
    members = {f"{key}.npy": damage.npy(value) for key, value in content.items()}
    match random.randrange(8):
        case 0 | 1 | 2:
            return saved(content | {name: odd_array(random, content[name])})
        case 3:
            return saved({key: value for key, value in content.items() if key != name})
        case 4:
            return saved(content, np.savez_compressed)
        case 5:
            return archived(members, random.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED)))
        case 6:
            members[f"{name}.npy"] = random.choice((
                claiming("(1000000000000,)", "'<i8'"), claiming("(-1,)", "'<i8'"),
                claiming("(3, 3)", "'<i8'", bytes(5)),
                claiming("()", "'|O'"), claiming("x", "y"), claiming("((((", "'<i8'"), claiming("()", "[('a', '<i8')]"),
                claiming("(2,)" * 3000, "'<i8'"), b"\x93NUMPY\x03\x00", b"", damage.npy(np.array([{}]), pickled=True)))
            return archived(members, zipfile.ZIP_STORED)
        case _:
            members |= random.choice(({"bomb.npy": damage.npy(np.zeros(10**7))}, {"a/b/../c.npy": b"x"}, {"no": b"x"},
                                      {f"{index}.npy": damage.npy(np.zeros(1)) for index in range(1500)}))
            return archived(members, zipfile.ZIP_DEFLATED)


def odd_json(random: Random, content: bytes) -> bytes:
    """A document with something else in it; sometimes its digest is made to fit."""
    document = json.loads(content)
    node = document
    while True:
        key = random.choice(list(node) if isinstance(node, dict) else range(len(node)))
        if isinstance(node[key], dict | list) and node[key] and random.random() < 0.7:
            node = node[key]
            continue
        if random.random() < 0.2 and isinstance(node, dict):
            del node[key]
        else:
            node[key] = random.choice(VALUES)
        break
    if "digest" in document and random.random() < 0.6:
        document["digest"] = digest_of(document)
    text = json.dumps(document)
    return random.choice((
        lambda: text.encode(), lambda: text.encode(), lambda: text.encode("utf-16"),
        lambda: b"\xef\xbb\xbf" + text.encode(), lambda: b"[" * 100_000,
        lambda: text.replace("1", "9" * 5000, 1).encode()))()


def odd_metrics(random: Random, content: bytes) -> bytes:
    lines = content.decode().splitlines()
    row = lines[-1].split(",")
    row[random.randrange(len(row))] = random.choice(("", "nan", "1e400", "-5", "x", "1_0", "٣", '"', "9" * 5000, "\0",
                                                     " 1 "))
    return random.choice((
        "\n".join(lines[:-1]), lines[0], "\n".join([*lines, lines[-1]]), "\n".join([*lines[:-1], ",".join(row)]),
        "\n".join([*lines[:-1], ",".join(row[:3])]), "\n".join([*lines[:-1], lines[-1] + ",7,8"]),
        "\n".join(reversed(lines)), content.decode().replace(",", ";"), "\n" + content.decode(),
        lines[0].upper() + "\n" + lines[-1])).encode(random.choice(("utf-8", "utf-16", "utf-8-sig")))


def spoil(random: Random, path) -> None:
    """Damage one file of a run folder."""
    content = path.read_bytes()
    if random.random() < 0.15:
        damage.no_file(random, path)
    elif random.random() < 0.35:
        path.write_bytes(damage.bytes_of(random, content))
    elif path.suffix == ".npz":
        path.write_bytes(odd_state(random, path))
    elif path.suffix == ".json":
        path.write_bytes(odd_json(random, content))
    else:
        path.write_bytes(odd_metrics(random, content))


def checked(*arguments) -> int:
    answer = outcome(*arguments, "--json", seconds=30)
    assert answer.status in (0, 2), answer
    return answer.status


def test_damaged_run_folders(runs, tmp_path):
    campaign = Campaign("run folders", seconds=2 * SECONDS)
    for random in campaign:
        path, place = runs[random.choice(sorted(runs))]
        source = random.choice([each for each in sorted(place.iterdir()) if each.is_dir()])
        folder = tmp_path / "run"
        shutil.copytree(source, folder)
        files = [each for each in sorted(folder.rglob("*")) if each.suffix in (".json", ".csv", ".npz")]
        for each in random.sample(files, random.choice((1, 1, 1, 2))):
            spoil(random, each)
        command = random.choice(("evaluate", "energy", "train", "train"))
        arguments = ("train", path, "--resume", folder) if command == "train" else (command, folder)
        campaign.accepted += checked(*arguments) == 0
        shutil.rmtree(folder)


def test_flipped_bits_never_change_a_run(runs, tmp_path):
    """Whatever is accepted ends in the right state."""
    campaign = Campaign("flipped bits of run folders", seconds=SECONDS)
    for random in campaign:
        path, place = runs[random.choice(("plain", "host", "pair"))]
        folder = tmp_path / "run"
        shutil.copytree(place / random.choice(("ended", "torn")), folder)
        files = [each for each in sorted(folder.iterdir()) if each.suffix in (".json", ".csv", ".npz")]
        for each in random.sample(files, random.choice((1, 1, 2))):
            damaged = random.choice((damage.cut, damage.flipped, damage.spliced))(random, each.read_bytes())
            each.write_bytes(damaged)
        if checked("train", path, "--resume", folder) == 0:
            campaign.accepted += 1
            expected, actual = (arrays(each / "state.npz") for each in (place / "ended", folder))
            assert {name: value.tolist() for name, value in actual.items()} == {
                name: value.tolist() for name, value in expected.items()}
        shutil.rmtree(folder)
