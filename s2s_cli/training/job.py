"""The arguments of ``s2s train``, as every replica gets them."""

from dataclasses import dataclass
from pathlib import Path

from s2s_cli.data.corpus import Corpus
from s2s_cli.distributed import launch
from s2s_cli.distributed.config import DeviceSettings
from s2s_cli.distributed.replica import Replica
from s2s_cli.distributed.signals import Stopped
from s2s_cli.model.config import ModelConfig
from s2s_cli.model.device import keep_memory
from s2s_cli.model.precision import check_device
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.loop import OpenTranslator, train


@dataclass(frozen=True)
class TrainingJob:
    """A training, with the arguments of `train`."""

    data: Path
    directory: Path
    shape: ModelConfig
    config: TrainingConfig
    open_translator: OpenTranslator | None = None

    @property
    def name(self) -> str:
        return str(self.directory)

    def check(self) -> None:
        """Read the corpus: what is wrong with it is better reported by one process than by all."""
        Corpus.open(self.data)

    def run(self, replica: Replica) -> Stopped:
        """Train one replica.

        Raises:
            UserError: a precision that its devices do not have (exit code 2); all of `train`.
        """
        check_device(replica.devices[0], self.config.precision)
        keep_memory()
        return train(
            self.data, self.directory, self.shape, self.config, replica, self.open_translator
        )

    def start(self) -> Stopped:
        """Train in this process, in several that are started here, or as one of those from outside.

        Raises:
            UserError: devices that are not there (exit code 2); all that training raises.
        """
        config = self.config
        settings = DeviceSettings(
            config.device, config.gpus, config.layout, config.threads, config.rank_timeout
        )
        return launch.start(self, settings)
