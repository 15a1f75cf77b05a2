"""How well a method tells what changes from what does not: ROC, lead times, sensitivity, the stock benchmark."""
