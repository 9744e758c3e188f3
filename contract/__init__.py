"""What golden model and RTL share: number formats, integer tables, random sequences, the link's protocol; and what all
parts share: errors and results."""
