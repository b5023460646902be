"""Names of the files of a bundle, in one place."""

from __future__ import annotations

ADAPTER = "adapter/adapter_model.safetensors"
ADAPTER_CONFIG = "adapter/adapter_config.json"
HEAD = "head.safetensors"
CODER = "coder.json"
LABEL_SPACE = "label_space.json"
NETWORK_CODES = "network_codes.json"
TERMS = "terms.json"
SIMILARITY = "similarity.safetensors"
TAGGER = "tagger.safetensors"
ENCODER_LOCK = "encoder.lock.json"
TOKENIZER = "tokenizer"
TOKENIZER_FILE = "tokenizer/tokenizer.json"
RUNTIME = "runtime.json"
CALIBRATOR = "calibrator.json"
EVIDENCE = "evidence.json"
CERTIFICATE = "certificate.json"
CARD = "card.md"
MANIFEST = "manifest.json"

# Nothing that can run code when it is read: no pickle, no Python.
SUFFIXES = frozenset({".safetensors", ".json", ".md", ".txt", ".model"})
