"""The studio's own settings with the fake driver, for tests that start a whole studio."""

from config.settings import *  # noqa: F403
from config.settings import SLIPWAY_DRIVERS

SLIPWAY_DRIVERS = {**SLIPWAY_DRIVERS, "fake": "deployments.drivers.fake.FakeDriver"}
