"""Damaged configurations and devices: read, or refused in one line."""

import copy
import shutil
import tomllib

import pytest
import tomli_w
from spinloom.config import PRESETS

from .campaign import Campaign
from .mutations import damaged, text
from .outcome import outcome

WHOLE = {path.stem: tomllib.loads(path.read_text()) for path in sorted(PRESETS.glob("*.toml"))}
"""The presets."""


def _small(document):
    """A preset on the digits, with few columns, so that it is trained in a moment."""
    document = copy.deepcopy(document)
    document |= {"dataset": "digits"}
    document["input"].pop("count", None)
    document["input"]["map"] = [8, 8, 1]
    for layer in document["layers"][:-1]:
        layer["cols"] = 6
    for layer in document["layers"]:
        if layer.get("kind") == "conv":
            layer |= {"kernel": 2, "drop": True}
        layer.pop("lanes", None)
        layer.pop("adcs", None)
    return document


SMALL = {name: _small(document) for name, document in WHOLE.items()}
BANK = {
    "seed": 3, "init_spread": 1.0, "device": WHOLE["mnist-pcm"]["device"], "converters": {"read_noise": 0.5},
    "crossbars": [
        {"input": {"count": 64, "kind": "signed", "bits": 6, "frac": 4}, "cols": 32, "lanes": 8, "bias": True},
        {"input": {"map": [8, 8, 2], "frac": 6}, "kind": "conv", "cols": 12, "kernel": 3, "stride": 2,
         "padding": [1, 0], "drop": True, "device": WHOLE["digits-dw5"]["device"], "seed": 9, "number": 2,
         "write": {"margin": 0.5}},
    ],
}
DEVICES = [document["device"] for document in WHOLE.values() if isinstance(document["device"], dict)]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder to work in, in a folder where nothing else may appear; without a data set, so that none is fetched."""
    place = tmp_path / "outer" / "work"
    place.mkdir(parents=True)
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(place)
    monkeypatch.delenv("SPINLOOM_DATA", raising=False)
    yield place
    assert [path.name for path in place.parent.iterdir()] == ["work"]


def _cleared(place, kept):
    """Check that nothing but ``runs`` has been written, and remove it."""
    assert {path.name for path in place.iterdir()} <= {"runs", *kept}
    shutil.rmtree(place / "runs", ignore_errors=True)


@pytest.mark.parametrize("document", [*WHOLE.values(), BANK], ids=[*WHOLE, "bank"])
def test_whole_configurations_are_estimated(workplace, document):
    (workplace / "x.toml").write_text(tomli_w.dumps(document))
    assert outcome("estimate", "x.toml", "--json").status == 0


def test_damaged_configurations_are_estimated_or_refused(workplace):
    campaign = Campaign("estimate")
    for random in campaign:
        (workplace / "x.toml").write_bytes(text(random, damaged(random, WHOLE[random.choice(list(WHOLE))])))
        campaign.accepted += outcome("estimate", "x.toml", "--json").status == 0
    _cleared(workplace, ["x.toml"])


def test_damaged_banks_are_estimated_or_refused(workplace):
    campaign = Campaign("estimate of a bank")
    for random in campaign:
        (workplace / "x.toml").write_bytes(text(random, damaged(random, BANK)))
        campaign.accepted += outcome("estimate", "x.toml", "--json").status == 0
    _cleared(workplace, ["x.toml"])


def test_damaged_configurations_are_trained_or_refused(workplace, tmp_path):
    campaign = Campaign("train")
    for random in campaign:
        (workplace / "x.toml").write_bytes(text(random, damaged(random, SMALL[random.choice(list(SMALL))])))
        campaign.accepted += outcome("train", "x.toml", "--epochs", 1, "--samples", 5, "--data", tmp_path / "data",
                                     "--json").status == 0
        _cleared(workplace, ["x.toml"])


def test_damaged_devices_are_shown_or_refused(workplace):
    campaign = Campaign("device show")
    for random in campaign:
        (workplace / "x.toml").write_bytes(text(random, damaged(random, random.choice(DEVICES))))
        campaign.accepted += outcome("device", "show", "x.toml", "--json").status == 0
        _cleared(workplace, ["x.toml"])


SECTIONS = """
input.count = 64
[device]
kind = "domain_wall"
[[layers]]
cols = 10
weight_step = -1
"""


def refused(place, content, *texts, name="x.toml"):
    """Check that the file ``name`` of ``content`` is refused in a line that holds ``texts``."""
    (place / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for command in ("estimate", "train"):
        result = outcome(command, name)
        assert result.status == 2
        for message in texts:
            assert message in result.err


@pytest.mark.parametrize(("name", "content"), [
    ("x.toml", SECTIONS.encode()), ("x.TOML", SECTIONS.encode()), ("bom.toml", b"\xef\xbb\xbf" + SECTIONS.encode()),
    ("crlf.Toml", SECTIONS.replace("\n", "\r\n").encode()), ("übung 1.toml", SECTIONS.encode()),
    (".hidden.toml", SECTIONS.encode()), ("-dash$x$.toml", SECTIONS.encode()), ("new\nline.toml", SECTIONS.encode()),
    ("\udcff.toml", SECTIONS.encode()), (f"{'a' * 250}.toml", SECTIONS.encode()),
])
def test_files_as_people_have_them_are_read(workplace, name, content):
    (workplace / name).write_bytes(content)
    arguments = ("estimate", "--", name) if name[0] == "-" else ("estimate", name)
    assert outcome(*arguments).status == 0


@pytest.mark.parametrize(("content", "texts"), [
    (b"\xff\xfe" + SECTIONS.encode("utf-16-le"), ["the file is in UTF-16; save it in UTF-8"]),
    (b"\xfe\xff" + SECTIONS.encode("utf-16-be"), ["the file is in UTF-16; save it in UTF-8"]),
    (b"\xff\xfe\0\0" + SECTIONS.encode("utf-32-le"), ["the file is in UTF-32; save it in UTF-8"]),
    (SECTIONS.encode("utf-16-le"), ["not valid TOML"]),
    (b"# \xe9" + SECTIONS.encode(), ["the file is not in UTF-8 (byte 2 is 0xe9)"]),
    (b"\x89PNG\r\n\x1a\n", ["not in UTF-8"]),
    ("x = " + "[" * 700 + "]" * 700 + SECTIONS, ["nested more than 32 deep"]),
    ("x = " + "[" * 100_000 + SECTIONS, ["nested more than 32 deep"]),
    ("x" + ".x" * 100_000 + " = 1" + SECTIONS, ["nested more than 32 deep"]),
    ('"="' + '."="' * 50_000 + " = 1" + SECTIONS, ["nested more than 32 deep"]),
    (SECTIONS + "[y" + ".y" * 100_000 + "]\n" + "x = 1\n", ["nested more than 32 deep"]),
    (SECTIONS + "#" * (1 << 18), ["more than 256 KiB"]),
    (f"seed = {10**30}{SECTIONS}", [f"seed={10**30}: a whole number in TOML has at most 64 bits"]),
    (f"seed = 0x{'f' * 5000}{SECTIONS}", ["seed=0xffff", "...: a whole number in TOML"]),
    (f"seed = {'9' * 5000}{SECTIONS}", ["not valid TOML"]),
    ("device = 'nowhere.toml'\ninput.count = 64\n[[layers]]\ncols = 1\n",
     ["x.toml: device='nowhere.toml': cannot read nowhere.toml: No such file"]),
    ("device = 'x.toml'\ninput.count = 64\n[[layers]]\ncols = 1\n", ["x.toml takes its device from 'x.toml'"]),
    ("device = '.'\ninput.count = 64\n[[layers]]\ncols = 1\n", ["device='.': no device '.'"]),
    ('device = "a\\u0000b.toml"\n[[layers]]\ncols = 1\n', [r"device='a\x00b.toml': cannot read 'a\x00b.toml'"]),
    ('device = ""\n[[layers]]\ncols = 1\n', ["device='': no device ''"]),
    ("device = 3\ninput.count = 64\n[[layers]]\ncols = 1\n", ["device=3: must be a section"]),
])
def test_files_that_cannot_be_read_are_refused(workplace, content, texts):
    refused(workplace, content, *texts)


@pytest.mark.parametrize(("line", "message"), [
    ('name = "../../escaped"', "name='../../escaped': must not contain '/'"),
    ('name = "/tmp/escaped"', "must not contain '/'"),
    ('name = "a\\u0000b"', r"name='a\x00b': must not contain '\x00'"),
    ('name = "a\\nb"', r"must not contain '\n'"),
    ('name = "\\u202egnp"', r"must not contain '\u202e'"),
    ('name = ".."', "must not begin with a dot"), ('name = "-rf"', "must not begin with a dot, a hyphen"),
    ('name = " "', "a space"), ('name = ""', "must not be empty"),
    (f'name = "{"a" * 300}"', "...: must be at most 120 bytes long"),
    (f'name = "{"é" * 61}"', "must be at most 120 bytes long"),
    ("name = 5", "name=5: Input should be a valid string"),
    ('dataset = "a\\u0000b"', "must not contain"),
    ('seed = "5"', "seed='5': Input should be a valid integer"), ("seed = 1.0", "seed=1.0: Input should be"),
    ("seed = true", "seed=True: Input should be"), ("seed = 4294967296", "less than or equal to 4294967295"),
    ("epochs = 0", "epochs=0"), ("epochs = 65278", "less than or equal to 65277"),
    ("epochs = 1000000000000", "epochs=1000000000000"), ("batch = 1000000000000", "batch=1000000000000"),
    ("init_spread = inf", "init_spread=inf: Input should be a finite number"),
    ("init_spread = nan", "init_spread=nan"), ("init_spread = 1e308", "init_spread=1e+308"),
    ('init_spread = "1_5.0"', "init_spread='1_5.0'"), ("host.epsilon = inf", "host.epsilon=inf"),
    ("host.betas = [0.9]", "host.betas[1]: Field required"), ("host.betas = [0.9, nan]", "host.betas[1]=nan"),
    ("host = 3", "host=3: must be a section"), ("converters.read_noise = nan", "converters.read_noise=nan"),
    ("update.threshold = inf", "update.threshold=inf"), ("update.threshold = -1e-320", "update.threshold=-1e-320"),
    ("write.margin = nan", "write.margin=nan"), ("write.max_attempts = 1000000000000", "write.max_attempts=10000"),
    ("learning_rate_shifts = 4", "learning_rate_shifts=4: must be a list"),
    ("learning_rate_shifts = [1000000000000]", "learning_rate_shifts[0]=1000000000000"),
    ("input.bits = 1000000000000", "input.bits=1000000000000"), ("'a\\nb' = 1", "unknown field"),
    ('"a\\u001b" = 1', r"'a\x1b'=1: unknown field"), ("date = 2020-02-29", "date=datetime.date(2020, 2, 29): unknown"),
    ("transfer.precursor = 'x.toml'", "transfer.precursor='x.toml': must be a section"),
    ("transfer.precursor.kind = 'mtj'", "transfer.precursor has 3 states; the device has 5"),
    ("transfer.precursor.kind = 'x'", "transfer.precursor: kind='x': must be one of 'ideal'"),
    ("transfer.precursor = {kind = 'mtj', sigma = 1}", "sigma=1: unknown field; allowed are sub_bits, stuck"),
])
def test_a_field_of_no_meaning_is_refused(workplace, line, message):
    refused(workplace, line + SECTIONS, message)


@pytest.mark.parametrize(("line", "message"), [
    (f"{name} = {value}", f"layers[0].{name}={value}: must be ")
    for name in ("cols", "lanes", "adcs", "z_bits", "z_frac", "delta_bits", "delta_frac", "chi_bits", "chi_frac")
    for value in (10**12, (1 << 63) - 1, 2000 if name != "cols" else 2049, -1000)
])
def test_a_layer_of_no_size_is_refused_at_once(workplace, line, message):
    layer = {"cols": 10} | tomllib.loads(line)
    refused(workplace, SECTIONS.replace("cols = 10", "\n".join(f"{name} = {value}" for name, value in layer.items())),
            message)


@pytest.mark.parametrize(("device", "message"), [
    ('kind = "domain_wall"\nstates = 1000000000000', "states=1000000000000: Input should be less than or equal to 64"),
    ('kind = "domain_wall"\nsigma = nan', "sigma=nan: Input should be a finite number"),
    ('kind = "domain_wall"\nsigma = [0.1, 0.1, inf, 0.1, 0.1]', "sigma[2]=inf: Input should be a finite number"),
    ('kind = "domain_wall"\nsigma = "1_5.0"', "sigma='1_5.0': Input should be a valid number"),
    ('kind = "domain_wall"\nsigma = [[0.1]]', "sigma[0]: Input should be a valid number"),
    ('kind = "domain_wall"\nsigma = 1e308', "sigma=1e+308: must lie in -1e+12 to 1e+12"),
    ('kind = "domain_wall"\nsub_bits = 99', "sub_bits=99"),
    ('kind = "domain_wall"\nmeasured = "\\u0000"', r"measured='\x00': must not contain control characters"),
    (f'kind = "incremental"\nup_mean = {[0.5] * 5000}', "...: has 5000 values, at most 4096 are possible"),
    ('kind = "pcm_pair"\nstep_mean = [1e308, 1e308]', "must lie in -1e+12 to 1e+12"),
    ('kind = "pcm_pair"\nlevel = 5e-324', "level=5e-324"), ('kind = "pcm_pair"\ng_max = 1e308', "g_max=1e+308"),
    ('kind = "pcm_pair"\ndrift_time = inf', "drift_time=inf"), ('kind = "mtj"\nthermal_stability = 1e308', "1e+308"),
    ('kind = "mtj"\nup = nan', "up=nan"), ('kind = "x"', "kind='x': must be one of 'ideal'"), ("kind = []", "kind="),
    ("", "kind is missing"),
])
def test_a_device_of_no_meaning_is_refused(workplace, device, message):
    (workplace / "d.toml").write_text(device)
    for arguments in (("device", "show", "d.toml"), ("device", "measure", "d.toml", "--out", "x.csv"),
                      ("train", "digits-dw5", "--device", "d.toml")):
        result = outcome(*arguments)
        assert result.status == 2
        assert "d.toml: device" in result.err
        assert message in result.err


@pytest.mark.parametrize("name", ["cost_$\\alpha$", "神经 网络 🧲", *(
    pytest.param(name, marks=pytest.mark.slow) for name in ("$", "$x$_{", "\\frac{", "module", "a" * 120, "x%s{}"))])
def test_names_leave_results(workplace, name):
    (workplace / "x.toml").write_text(f"name = {tomli_w.dumps({'x': name})[4:]}{SECTIONS}")
    result = outcome("train", "x.toml", "--epochs", 1, "--samples", 5, "--json")
    assert (result.status, result.err.count("spinloom")) == (0, 0)
    [folder] = (workplace / "runs").iterdir()
    assert {path.name for path in folder.iterdir()} >= {"result.json", "plot.png", "state.npz"}
    assert outcome("generate", "x.toml", "--out", "runs/verilog").status == 0


def test_a_picture_that_fails_loses_nothing(workplace, monkeypatch):
    def broken(*_):
        raise ValueError("no\nfonts")
    monkeypatch.setattr("spinloom.train.loop.plot", broken)
    (workplace / "x.toml").write_text(SECTIONS)
    result = outcome("train", "x.toml", "--epochs", 1, "--samples", 5, "--json")
    assert result.status == 0
    [folder] = (workplace / "runs").glob("x-*")
    warning = f"spinloom: warning: no picture runs/{folder.name}/plot.png: no fonts; everything else is complete\n"
    assert warning in result.err
    assert (folder / "result.json").exists()
