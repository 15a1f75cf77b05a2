"""
Duo-LLM: what an oracle would choose
====================================

Beside each feed-forward block stands a small one, and each token takes one of the two at each layer
:cite:p:`alizadeh2024`. Published: an oracle that may take few big blocks beats all big ones, no trained router comes
near it, and what computing is worth to a token is not what the token's loss is.
"""

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from small_models import decoder_with_texts, interval, say

from adapters import DuoPolicy, oracle_routes, replay
from adapters.training import FitSettings
from adapters.training.duo import fit_duo

# %%
# The model stays as it is; small blocks and a router are trained beside it.

model, train, test = decoder_with_texts(8, train=256, test=24)
depth = model.config.num_hidden_layers
duo = fit_duo(model, train, fit=FitSettings(epochs=2), budget=0.5)
print(f"{depth} layers, small blocks of a sixteenth of the width; the router takes {duo.share:.0%} big blocks")

# %%
# The oracle tries every route of each token, and keeps for each number of big blocks the one with the lowest loss of
# the token that *does* follow. It knows that token, so part of its advantage is hindsight, which no router can have.

oracle = oracle_routes(model, test, small=duo.small, choices=("big", "small"))
n = len(oracle.text)
one, any_number, all_big = oracle.best(1), oracle.best(), oracle.full_loss
print(f"{oracle.routes} routes for each of {n} tokens; loss with all big {all_big.mean():.3f}, all small "
      f"{oracle.least_loss.mean():.3f}, oracle with one big block or none {one.mean():.3f}, with any number "
      f"{any_number.mean():.3f}")  # fmt: skip
say("the oracle with one big block beats all big", interval(all_big - one, oracle.text), "nats", n)
enough = [few for few in range(depth) if interval(all_big - oracle.best(few), oracle.text)[1] > 0]
print(f"the fewest big blocks with which it does: {min(enough, default='none')} of {depth}")

# %%
# Router and chance at the same mean number of big blocks, and how far the oracle is from both.

routed = replay(model, DuoPolicy(small=duo.small, router=duo.router), test)
share = routed.ffn_blocks.mean() / depth
random = [replay(model, DuoPolicy(small=duo.small, route="random", shares=(share, 1 - share, 0.0), seed=seed), test)
          for seed in range(5)]  # fmt: skip
chance = -np.mean([each.log_likelihood for each in random], axis=0)
router = -routed.log_likelihood
ideal = router - oracle.regret(routed).values
for name, values in (("router", router), ("chance", chance), ("oracle", ideal)):
    print(f"{name}: loss {values.mean():.3f} at {routed.ffn_blocks.mean():.2f} big blocks of {depth}")
say("the router beats chance", interval(chance - router, oracle.text), "nats", n)
nearer = (router - ideal) - (chance - router)  # what it misses, less what it gains
say("the router is nearer to chance than to the oracle", interval(nearer, oracle.text), "nats", n)

# %%
# Difficulty is the loss with all blocks small, less the oracle's. Were it the loss itself, ranks would agree.

difficulty = oracle.difficulty
print(f"rank correlation of difficulty and the full model's loss: {spearmanr(difficulty, all_big).statistic:.2f}")
hard = all_big >= np.quantile(all_big, 0.9)
most = difficulty >= np.quantile(difficulty, 0.9)
print(f"of the tenth of tokens with the largest loss {most[hard].mean():.0%} are in the tenth of the most difficult")

# %%
# The oracle at each number of big blocks, with router and chance where they stand.

figure = Figure(figsize=(9.5, 4), layout="constrained")
left, other = figure.subplots(1, 2)
curve = np.nanmean(oracle.loss, axis=0)
left.plot(range(depth + 1), curve, "o-", color="#0072b2", label="oracle")
left.axhline(all_big.mean(), color="0.4", linestyle="--", linewidth=1, label="all big")
left.axhline(oracle.least_loss.mean(), color="0.4", linestyle=":", linewidth=1, label="all small")
left.plot(routed.ffn_blocks.mean(), router.mean(), "s", color="#d55e00", label="trained router")
left.plot(random[0].ffn_blocks.mean(), chance.mean(), "x", color="#009e73", markersize=8, label="chance")
left.set(xlabel="big blocks a token", ylabel="loss, nats a token")
left.legend(frameon=False)
other.plot(all_big, difficulty, ".", color="#0072b2", alpha=0.4)
other.set(xlabel="loss of the full model, nats", ylabel="difficulty, nats")
