"""PyTorch: tensors from compressed files and back, as `safetensors.torch` does it for plain ones.

ecf8.torch.save_file(model.state_dict(), "model.safetensors")
model.load_state_dict(ecf8.torch.load_file("model.safetensors"))
"""

from ecf8.torch._files import load_file, save_file

__all__ = ["load_file", "save_file"]
