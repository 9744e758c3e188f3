"""Parts that every block is made of: queues, registers, fixed-point arithmetic."""
