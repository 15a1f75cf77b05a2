"""Training of what a system needs beside a pretrained model, or in it: heads, small blocks, routers, weights."""
