"""Settings of devices."""

from dataclasses import dataclass
from typing import Literal

# One model over all devices, its layers on some and its output layer on others (§3.5), or a process
# with a copy of the model for each device.
Layout = Literal["model", "data"]


@dataclass(frozen=True)
class DeviceSettings:
    """The options of the same names: on which devices to work.

    Attributes:
        device: name of a device or of a kind of device.
        gpus: number of devices.
        layout: how they share the work.
        threads: CPU threads of each process; 0: all cores, shared.
        rank_timeout: minutes to wait for a process that does not answer.
    """

    device: str
    gpus: int
    layout: Layout
    threads: int
    rank_timeout: float
