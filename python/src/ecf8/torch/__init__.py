"""PyTorch: tensors from compressed files and back, as `safetensors.torch` does it for plain ones,
and models that run while their weights come and go.

ecf8.torch.save_file(model.state_dict(), "model.safetensors")
model.load_state_dict(ecf8.torch.load_file("model.safetensors"))

ecf8.torch.attach(model, ecf8.connect().model("MODEL-ecf8"))
"""

from ecf8.torch._attach import Attachment, AttachStatistics, attach, attachment, detach
from ecf8.torch._files import load_file, save_file

__all__ = [
    "AttachStatistics",
    "Attachment",
    "attach",
    "attachment",
    "detach",
    "load_file",
    "save_file",
]
