"""Self-contained HTML report: tables, figures, and slices with a threshold slider."""
