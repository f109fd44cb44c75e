"""Methods and data sets from anywhere: names, declarations, files, notebooks, programs."""
