"""HabitatPNI: habitats of prostate tumours on MRI and the probability of perineural invasion. Research use only."""

__version__ = "0.1.0"

RESEARCH_USE_ONLY = "Research use only. Not a medical device; not for diagnosis or treatment decisions."
