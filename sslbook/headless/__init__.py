"""Run chapters without a screen: plan, execute, log, several ranks, sweeps."""
