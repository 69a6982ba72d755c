"""The same with LitServe: `python -m benchmarks.lit`, on PORT, with LITSERVE_WORKERS.

Batches of one: padded batches are slower on a processor, as the table of engines shows.
"""

import os
from typing import Any

import litserve

from benchmarks.naive import keep, loaded, opened


class Scorer(litserve.LitAPI):
    """Asks Detoxify and stores the answer."""

    def setup(self, device: str) -> None:
        import torch

        torch.set_num_threads(1)
        self._model, self._engine = loaded(), opened()

    def decode_request(self, request: dict[str, str]) -> dict[str, str]:
        return request

    def predict(self, given: dict[str, str]) -> dict[str, Any]:
        scores = self._model.predict(given["text"])
        return keep(self._engine, given["id"], given["text"], float(scores["toxicity"]))

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        Scorer(api_path="/comments"),
        accelerator="cpu",
        workers_per_device=int(os.environ["LITSERVE_WORKERS"]),
        timeout=60,
    )
    server.run(port=int(os.environ["PORT"]), generate_client_file=False, log_level="warning")
