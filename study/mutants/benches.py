"""The tests that are to notice mutants. Each simulates the design of a block, or of a whole network."""

BENCHES = (
    "link/test_frame.py",
    "link/test_uart.py::test_transmitter[9]",
    "link/test_uart.py::test_receiver[8-0.03]",
    "link/test_uart.py::test_receiver_ignores_noise_and_bytes_without_a_stop_bit",
    "store/test_access.py::test_writes_and_digests[sizes3-0.5]",
    "store/test_memory.py::test_reads_what_was_written_before[300-0.7]",
    "store/test_order.py::test_every_small_number_of_samples[32]",
    "store/test_reader.py::test_samples_in_any_order[form2-64-0.8]",
    "basics/test_queue.py::test_first_in_first_out[0.6-0.6-16-block]",
    "basics/test_set_bits.py::test_gives_each_set_bit_alone[1.0-1.0-40]",
    "crossbar/test_hazards.py::test_answers_follow_from_the_slots_before[True-2]",
    "crossbar/test_delta_store.py::test_answers_with_the_deltas_of_a_fold[12-4-4-False]",
    "crossbar/test_state_port.py::test_every_word_is_used_once_and_in_order[2-2]",
    "test_delta_converter.py::test_agrees_with_golden_twin[7]",
    "test_loss.py::test_agrees_with_golden_twin[11]",
    "test_neuron.py::test_agrees_with_golden_twin[11]",
    "test_pooling.py::test_agrees_with_the_arithmetic[23]",
    "crossbar/test_programmer.py::test_agrees_with_golden_twin[measured-3]",
    "crossbar/test_accumulator.py::test_agrees_with_golden_twin_at_several_positions[11]",
    "crossbar/test_crossbar.py::test_agrees_with_golden_twin[15]",
)
"""By their place in ``tests/hw``."""
