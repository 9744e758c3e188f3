"""Every speed of Spinloom, measured in one run; ratios of figures from the same run are the result.

`plan` says how much is measured, `measure` measures it, with the `trainers` that are compared. `results` is the answer,
which `figures` draws and `markdown` puts into tables.
"""
