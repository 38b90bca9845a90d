"""Profiles: subscriptions that behave as a known platform does, or that suit a known receiver. Each is one TOML file here.

hookline.profile("stripe").spec(url="https://example.com/hooks")
"""

from hookline.profiles.load import PROFILE_NAMES, profile
from hookline.profiles.profile import Profile, Receiving, Role, Source

__all__ = ["PROFILE_NAMES", "Profile", "Receiving", "Role", "Source", "profile"]
