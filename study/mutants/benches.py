"""The tests that are to notice mutants."""

from collections.abc import Mapping
from dataclasses import dataclass, field

BENCHES = (
    "link/test_frame.py",
    "link/test_uart.py::test_transmitter[9]",
    "link/test_uart.py::test_receiver[8-0.03]",
    "link/test_uart.py::test_receiver[8--0.03]",
    "link/test_uart.py::test_receiver_ignores_noise_and_bytes_without_a_stop_bit",
    "store/test_access.py::test_writes_and_digests[sizes3-0.0]",
    "store/test_access.py::test_writes_and_digests[sizes3-0.5]",
    "store/test_access.py::test_writes_and_digests[sizes4-0.5]",
    "store/test_access.py::test_writes_and_digests[sizes5-0.5]",
    "store/test_access.py::test_the_second_burst_follows_the_first",
    "store/test_memory.py::test_reads_what_was_written_before[300-0.0]",
    "store/test_memory.py::test_reads_what_was_written_before[300-0.3]",
    "store/test_memory.py::test_reads_what_was_written_before[300-0.7]",
    "store/test_order.py::test_every_small_number_of_samples[32]",
    "store/test_reader.py::test_samples_in_any_order[form0-64-0.0-1000]",
    "store/test_reader.py::test_samples_in_any_order[form0-64-0.8-32756]",
    "store/test_reader.py::test_an_index_entry_with_a_flipped_bit[3]",
    *(f"store/test_reader.py::test_a_sample_with_a_flipped_bit[{buffer}-{seed}]" for buffer in (64, 256)
      for seed in range(6)),
    "store/test_reader.py::test_whole_samples[2-0.0-1000]",
    "store/test_reader.py::test_whole_samples[2-0.5-32756]",
    *(f"store/test_reader.py::test_a_whole_sample_with_a_flipped_bit[{seed}]" for seed in range(6)),
    *(f"store/test_reader.py::test_an_index_entry_of_whole_samples_with_a_flipped_bit[{bit}]" for bit in (3, 9)),
    "store/test_reader.py::test_samples_that_nobody_takes_for_a_while",
    "store/test_reader.py::test_entries_behind_the_last_cell",
    "store/test_reader.py::test_whole_samples_with_a_wrong_bit_in_their_sum",
    *(f"basics/test_queue.py::test_first_in_first_out[{rates}-{storage}]" for storage in
      ("5-distributed", "5-registers", "16-block") for rates in ("0.3-0.9", "0.9-0.3", "1.0-1.0", "0.6-0.6")),
    "basics/test_set_bits.py::test_gives_each_set_bit_alone[0.4-0.9-9]",
    "basics/test_set_bits.py::test_gives_each_set_bit_alone[1.0-0.5-9]",
    "basics/test_set_bits.py::test_gives_each_set_bit_alone[1.0-1.0-9]",
    "crossbar/test_active_rows.py::test_keeps_and_reads_the_active_rows[7-1]",
    "crossbar/test_hazards.py::test_answers_follow_from_the_slots_before[True-1]",
    "crossbar/test_hazards.py::test_answers_follow_from_the_slots_before[True-2]",
    "crossbar/test_delta_store.py::test_answers_with_the_deltas_of_a_fold[12-4-4-False]",
    "crossbar/test_delta_store.py::test_answers_with_the_deltas_of_a_fold[12-4-4-True]",
    "crossbar/test_state_port.py::test_every_word_is_used_once_and_in_order[0-3]",
    "crossbar/test_state_port.py::test_every_word_is_used_once_and_in_order[2-2]",
    "test_longer.py",
)
"""Those that simulate the design of a block, or of a whole crossbar, by their place in ``tests/hw``."""

REFERENCE = "model/test_reference.py::test"
CORNERS = f"{REFERENCE}_corners_equal_the_reference"
SAMPLES = "model/test_compiled_crossbar.py::test_random_crossbars_on_tensors_give_the_same_bits[ideal]"
KERNEL = "model/test_plain_kernel.py"
CROSSBARS = tuple(f"{KERNEL}::test_{which}_give_the_same_bits" for which in ("crossbars", "wide_crossbars"))
FULL_TRACE = "model/test_compiled.py::test_a_trace_that_is_full_is_taken_between_samples"
MANY_PULSES = "model/test_compiled.py::test_a_sample_may_add_more_pulses_than_there_are_cells"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the golden model, and the tests that are to notice mutants of it, by their place in ``tests``."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    """Of all of it, the quickest first."""
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of a file; they come first."""
    plugins: tuple[str, ...] = ()
    """Of pytest: what the tests run with."""

    def tests_of(self, file: str) -> tuple[str, ...]:
        """Those for a mutant in ``file``."""
        return tuple(dict.fromkeys(self.own.get(file, ()) + self.tests))

    @property
    def all_tests(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(test for file in self.files for test in self.tests_of(file)))


PYTHON = {
    "reference": Part(
        files=tuple(f"model/{name}.py" for name in (
            "accumulator", "adc", "crossbar", "device", "fixed", "lfsr", "loss", "network", "neuron", "programmer",
            "rounder", "sliced_programmer", "window")),
        own={f"model/{name}.py": (CORNERS, *tests.split()) for name, tests in {
            "accumulator": f"model/test_accumulator.py {SAMPLES}",
            "adc": "model/test_converters.py",
            "crossbar": "model/test_crossbar.py",
            "device": "model/test_device.py",
            "fixed": "model/test_fixed.py",
            "lfsr": "model/test_lfsr.py",
            "network": "model/test_network.py",
            "neuron": "model/test_neuron.py",
            "programmer": "model/test_programmer.py",
            "rounder": f"{REFERENCE}_rounding_by_the_words_that_just_do_and_do_not_round_up",
            "sliced_programmer": "model/test_sliced_programmer.py model/test_network.py",
            "window": "model/test_window.py",
        }.items()},
        tests=(
            CORNERS,
            *(f"{REFERENCE}_every_operation_equals_the_reference[{case}]" for case in (
                "pcm_pair-also3", "mtj-also4", "ideal-also0", "domain_wall-also1", "incremental-also2",
                "measured-also5")),
        )),
    "kernel": Part(
        files=tuple(f"model/compiled/{name}.py" for name in (
            "arithmetic", "batch", "crossbar", "forward", "programming", "second", "state", "steps", "tables",
            "trainer", "gradient")),
        own={"model/compiled/batch.py": CROSSBARS, "model/compiled/crossbar.py": CROSSBARS,
             "model/compiled/gradient.py": (f"{KERNEL}::test_gradients_have_the_same_bits",),
             "model/compiled/steps.py": (FULL_TRACE,), "model/compiled/trainer.py": (FULL_TRACE, MANY_PULSES)},
        tests=(KERNEL,),
        plugins=("spinloom.study.mutants.plain",)),
}
"""By the name of the part."""
