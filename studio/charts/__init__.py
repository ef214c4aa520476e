"""Charts: which points are drawn, in which colours, and the figures that Plotly draws."""
