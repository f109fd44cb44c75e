"""A run, a comparison or a folder as people read it: in a terminal, in a paper, over the scans."""
