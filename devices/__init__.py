"""Memory devices: what each kind is, how it is learned from measurements, and how it looks.

A kind is a file (`ideal`, `domain_wall`, `incremental`, `pcm_pair`, `mtj`, `measured`), listed in `kinds`. What kinds
share: `specification` (their base classes), `ageing`, `landing` and `stepping` (the pulse laws of several of them),
`fitting`, `figure`, `costs`, `random_figures`. What is done with a device of any kind: `fit`, `show`, `measure`.
`measurements` are files.
"""
