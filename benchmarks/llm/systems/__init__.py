"""Every system on the same models, texts and clock, within the same budgets."""
