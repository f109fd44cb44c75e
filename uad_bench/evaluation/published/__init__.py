"""Published evaluation protocols, replayed on stored score maps."""
