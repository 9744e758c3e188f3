"""Reports: what runs, sweeps, co-simulations, syntheses and boards have left in folders, as charts and as one page."""
