"""Early warning over token time: back to full depth when a text begins to collapse."""
