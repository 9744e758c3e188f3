import pytest
from spinloom import config
from spinloom.contract.errors import ConfigError

from .documents import with_field

DOCUMENT = {
    "input": {"count": 4}, "device": {"kind": "domain_wall"},
    "layers": [{"cols": 6, "bias": True}, {"cols": 2}],
}


@pytest.mark.parametrize("preset", sorted(path.stem for path in config.PRESETS.glob("*.toml")))
def test_presets_load(preset):
    experiment = config.load(preset)
    assert experiment.name == preset
    assert len(experiment.crossbars) == len(experiment.layers)


def test_defaults_are_derived():
    first, second = config.parse(DOCUMENT, "small").crossbars
    assert (first.rows, first.lanes, first.adcs, first.source) == (5, 6, 6, None)
    assert (second.rows, second.source, second.source_delta_bits) == (6, "relu", 9)
    assert first.threshold == 1 << 12
    assert first.init_states == (1, 3)


def test_the_last_learning_rate_stays():
    experiment = config.parse(DOCUMENT | {"learning_rate_shifts": [5, 7]}, "small")
    assert [experiment.learning_rate_shift(epoch) for epoch in range(4)] == [5, 7, 7, 7]


@pytest.mark.parametrize(("place", "value", "message"), [
    (("epoch",), 3, "test: epoch=3: unknown field; allowed are name, dataset, seed, epochs"),
    (("layers", 0, "lane"), 3, r"test: layers\[0\].lane=3: unknown field; allowed are kind, cols, kernel, stride"),
    (("layers", 0, "lanes"), 4, r"test: layers\[0\].lanes=4: must be one of the divisors 1, 2, 3, 6"),
    (("layers", 1, "neuron"), "relu", "the last layer has neuron='relu'"),
    (("layers", 0, "neuron"), "tanh", r"layers\[0\].neuron='tanh': Input should be 'relu', 'sigmoid'"),
    (("layers", 0, "activation_bits"), 13, r"layers\[0\].activation_bits=13: .* less than or equal to 12"),
    (("layers", 1, "z_frac"), 10, r"layers\[1\].z_frac=10: must be 0 to z_bits-1=9"),
    (("layers", 1, "delta_frac"), 9, r"layers\[1\].delta_frac=9: cross-entropy needs 1 to delta_bits-1=8"),
    (("layers", 0, "chi_bits"), 12, r"layers\[0\].threshold=4096: must be 1 to 2047"),
    (("layers", 0), {"cols": 6, "neuron": "sigmoid", "z_frac": -1}, "a sigmoid neuron needs at least 0"),
    (("layers", 0), {"cols": 6, "neuron": "ternary", "z_frac": 0}, "a ternary neuron needs at least 1"),
    (("layers", 0), {"cols": 6, "neuron": "hard_tanh", "activation_bits": 1}, "hard_tanh needs at least 2"),
    (("layers",), [], "layers: .* at least 1 item"),
    (("seed",), -1, "seed=-1: .* greater than or equal to 0"),
    (("epochs",), 0, "epochs=0: .* greater than or equal to 1"),
    (("learning_rate_shifts",), [], "learning_rate_shifts: .* at least 1 item"),
    (("init_spread",), 0.0, None),
    (("device", "kind"), "memristor", "device.*memristor.*'ideal', 'domain_wall'"),
    (("device", "sigma"), 9.0, "sigma=9: must lie in 0 to"),
    (("device", "states"), 4, None),
    (("update",), {"threshold": 0}, "update.threshold=0: .* greater than 0"),
    (("update",), {"threshold": float("inf")}, "update.threshold=inf: .* finite"),
    (("update",), {"rounding": "dither"}, "update.rounding='dither': Input should be 'threshold' or 'stochastic'"),
    (("update",), {"residual": "none"}, "update.residual='none': rounding='threshold' needs 'verified' or 'nominal'"),
    (("update",), {"rounding": "stochastic"}, "update.residual='verified': rounding='stochastic' needs 'none'"),
    (("update",), {"rounding": "stochastic", "residual": "none"}, "the device has no switching curve that could do it"),
    (("write",), {"margin": -0.1}, "write.margin=-0.1: .* greater than or equal to 0"),
    (("write",), {"margin": 9.0}, r"layers\[0\].margin=72: must be 0 to 63 sub-levels"),
    (("write",), {"max_attempts": 256}, "write.max_attempts=256: .* less than or equal to 255"),
    (("converters",), {"read_noise": 64}, "converters.read_noise=64: .* less than or equal to 63.9375"),
    (("converters",), {"noise": 1}, "converters.noise=1: unknown field; allowed are read_noise"),
    (("device", "noise"), 1, "device.domain_wall.noise=1: unknown field; allowed are sub_bits, stuck, ageing"),
    (("transfer",), {"precursor": {"kind": "ideal", "noise": 1}},
     "transfer.precursor.ideal.noise=1: unknown field; allowed are sub_bits, stuck, ageing, retention"),
    (("input", "kind"), "binary", "input.kind='binary': Input should be 'unsigned', 'signed' or 'ternary'"),
])
def test_a_wrong_field_is_named_in_one_line(place, value, message):
    document = with_field(DOCUMENT, place, value)
    if message is None:
        assert config.parse(document, "test").crossbars
        return
    with pytest.raises(ConfigError, match=message) as caught:
        config.parse(document, "test")
    assert "\n" not in str(caught.value)


def test_fields_are_replaced():
    experiment = config.parse(DOCUMENT | {"converters": {"read_noise": 0.5}}, "small")
    changed = experiment.replaced(epochs=9, device={"sigma": 0.3}, layers={0: {"lanes": 3}, -1: {"z_frac": 4}})
    assert (changed.name, changed.epochs, changed.device.kind, changed.device.sigma) == (
        "small", 9, "domain_wall", 0.3)
    assert [(layer.cols, layer.lanes, layer.z_frac) for layer in changed.layers] == [(6, 3, 8), (2, None, 4)]
    assert changed.converters == experiment.converters
    assert changed.crossbars[0].folds == 2
    assert (experiment.epochs, experiment.layers[0].lanes) == (5, None)
    assert experiment.replaced() == experiment


def test_sections_are_replaced_as_a_whole():
    experiment = config.parse(DOCUMENT | {"host": {"optimizer": "sgd"}}, "small")
    changed = experiment.replaced(name="other", host=None, transfer={}, device=config.load_device("mtj"),
                                  layers=experiment.layers[1:])
    assert (changed.name, changed.host, changed.device.kind, len(changed.layers)) == ("other", None, "mtj", 1)
    assert changed.transfer == config.Transfer()


@pytest.mark.parametrize(("fields", "message"), [
    ({"epoch": 3}, "small: epoch=3: unknown field"),
    ({"epochs": 0, "name": "other"}, "other: epochs=0: .* greater than or equal to 1"),
    ({"layers": {0: {"lanes": 4}}}, r"small: layers\[0\].lanes=4: must be one of the divisors 1, 2, 3, 6"),
    ({"layers": {2: {"lanes": 4}}}, r"layers\[2\]: there are only the layers 0 to 1"),
    ({"device": {"offset": 2.0}}, "small: device.domain_wall: offset=2: must lie in -1 to 1"),
])
def test_what_cannot_be_replaced_is_named_in_one_line(fields, message):
    with pytest.raises(ConfigError, match=message) as caught:
        config.parse(DOCUMENT, "small").replaced(**fields)
    assert "\n" not in str(caught.value)


def test_no_state_within_the_initial_spread():
    document = DOCUMENT | {"init_spread": 0.2, "device": {"kind": "ideal", "states": 2}}
    with pytest.raises(ConfigError, match="init_spread=0.2: no state lies within it; use at least 0.5"):
        config.parse(document, "test")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="no preset 'digit'; presets are .*digits-dw5.*; .* must end in .toml"):
        config.load("digit")
    with pytest.raises(ConfigError, match="cannot read .*none.toml: No such file"):
        config.load(str(tmp_path / "none.toml"))
    broken = tmp_path / "broken.toml"
    broken.write_text("epochs = = 3\n")
    with pytest.raises(ConfigError, match="broken.toml: not valid TOML: .*line 1") as caught:
        config.load(str(broken))
    assert "\n" not in str(caught.value)
