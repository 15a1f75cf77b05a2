"""Early exit of encoders: systems and rules at three budgets, on the same texts and clock.

``python -m benchmarks.llm.encoders`` writes ``docs/generated/llm_encoders.csv`` (model × task × encoder × system ×
budget) and ``llm_encoders_claims.csv`` (what the papers say, with interval).

Settings are chosen on texts of their own (a share of the training file, or its validation file), so that the mean depth
there is nearest to the budget from below; the test file is read once, for the numbers. What was fine-tuned, and the
states that encoders gave, are kept in a folder: a run that was broken off goes on from there.
"""
