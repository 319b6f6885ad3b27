"""The outside world of identity: the postal code service, outgoing mail, and the seams of django-allauth."""
