"""Hugging Face transformers: compressed models in one line.

model = ecf8.transformers.from_pretrained("MODEL-ecf8")

`AutoModelForCausalLM.from_pretrained("MODEL-ecf8")` works, too, once ecf8 is imported: by the
registry of quantizers that transformers has.
"""

from ecf8.transformers._pretrained import from_pretrained

__all__ = ["from_pretrained"]
