#include "loader/checkpoint/unit_names.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ecf8 {
namespace {

constexpr size_t kMaxUnitIdBytes = 128;
// So that the longest id, "<stack>.2147483647.experts.2147483647#99999999999", fits.
constexpr size_t kMaxStackBytes = 80;
constexpr int64_t kMaxNumber = 2147483647;

// Main stacks of the families that we know, the first that a model has. A stack named just "layers"
// comes first: were it not the main one, its ids would be those of the main stack.
constexpr std::array<std::string_view, 12> kMainStacks = {
    "layers",                       // Llama's and Mistral's own files
    "model.layers",                 // Llama, Qwen, Mistral, Mixtral, DeepSeek
    "model.language_model.layers",  // multi-modal, transformers 5
    "language_model.model.layers",  // multi-modal, before
    "language_model.layers",
    "transformer.h",         // GPT-2, Falcon, Bloom
    "h",                     // GPT-2 as it was published
    "gpt_neox.layers",       // Pythia
    "model.decoder.layers",  // OPT, Whisper, BART
    "encoder.layer",         // BERT, MiniLM
    "bert.encoder.layer",    // BERT with a head
    "roberta.encoder.layer",
};

// A component of a name that makes a tensor without a layer an embedding, or an output head.
constexpr std::array<std::string_view, 4> kEmbedNames = {"wte", "wpe", "shared", "embed_in"};
constexpr std::array<std::string_view, 5> kEmbedEndings = {"embed", "embedder", "embedding",
                                                           "embeddings", "embed_tokens"};
constexpr std::array<std::string_view, 10> kHeadNames = {
    "lm_head", "head", "output",     "output_layer", "embed_out",
    "score",   "cls",  "classifier", "qa_outputs",   "proj_out"};

bool IsDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// nullopt for what is not a number in its one spelling, or too large a one.
std::optional<int64_t> ParseNumber(std::string_view text) {
  if (!IsDigits(text) || text.size() > 10 || (text.size() > 1 && text[0] == '0')) {
    return std::nullopt;
  }
  int64_t number = 0;
  for (const char digit : text) number = number * 10 + (digit - '0');
  if (number > kMaxNumber) return std::nullopt;
  return number;
}

bool IsEmbedComponent(std::string_view component) {
  const auto is = [&](std::string_view name) { return component == name; };
  const auto ends = [&](std::string_view ending) { return component.ends_with(ending); };
  return std::any_of(kEmbedNames.begin(), kEmbedNames.end(), is) ||
         std::any_of(kEmbedEndings.begin(), kEmbedEndings.end(), ends) ||
         component.starts_with("embed_positions");
}

bool IsHeadComponent(std::string_view component) {
  return std::find(kHeadNames.begin(), kHeadNames.end(), component) != kHeadNames.end();
}

// Takes the components of a name one by one. The key of a numbered layer holds its stack, whichever
// it is.
UnitKey KeyOf(std::string_view name) {
  UnitKey key;
  // '#' may stand in an id, but only where a unit was split.
  if (name.empty() || name.front() == '.' || name.back() == '.' || name.front() == '-' ||
      name.find("..") != std::string_view::npos ||
      name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") !=
          std::string_view::npos) {
    return key;
  }
  std::string_view previous;
  size_t begin = 0;
  while (begin < name.size()) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string_view component = name.substr(begin, end - begin);
    if (key.layer != UnitKey::kNone) {
      if (previous == "experts" && IsDigits(component)) {
        const std::optional<int64_t> expert = ParseNumber(component);
        if (!expert) return UnitKey();
        key.expert = *expert;
        return key;
      }
    } else if (IsDigits(component)) {
      const std::optional<int64_t> layer = ParseNumber(component);
      if (!layer || begin == 0 || begin - 1 > kMaxStackBytes) return UnitKey();
      key.kind = UnitKey::Kind::kOtherLayer;
      key.stack = std::string(name.substr(0, begin - 1));
      key.layer = *layer;
    } else if (IsEmbedComponent(component)) {
      key.kind = UnitKey::Kind::kEmbed;
      return key;
    } else if (IsHeadComponent(component)) {
      key.kind = UnitKey::Kind::kHead;
      return key;
    }
    previous = component;
    begin = end + 1;
  }
  return key;
}

// The main stack of those in `bytes_of`, which is not empty.
std::string MainStack(const std::map<std::string, uint64_t>& bytes_of) {
  for (const std::string_view known : kMainStacks) {
    std::string name(known);
    if (bytes_of.contains(name)) return name;
  }
  // In order of name, so the first of equals wins.
  const auto largest =
      std::max_element(bytes_of.begin(), bytes_of.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return largest->first;
}

}  // namespace

std::string UnitKey::Id() const {
  std::string id;
  switch (kind) {
    case Kind::kEmbed:
      return "embed";
    case Kind::kMisc:
      return "misc";
    case Kind::kHead:
      return "head";
    case Kind::kLayer:
      id = absl::StrCat("layers.", layer);
      break;
    case Kind::kOtherLayer:
      id = absl::StrCat(stack, ".", layer);
      break;
  }
  if (expert != kNone) absl::StrAppend(&id, ".experts.", expert);
  return id;
}

std::vector<UnitKey> AssignUnits(const std::vector<NamedSize>& tensors) {
  std::vector<UnitKey> keys;
  keys.reserve(tensors.size());
  std::map<std::string, uint64_t> bytes_of;
  for (const NamedSize& tensor : tensors) {
    keys.push_back(KeyOf(tensor.name));
    if (keys.back().layer != UnitKey::kNone) bytes_of[keys.back().stack] += tensor.size_bytes;
  }
  if (bytes_of.empty()) return keys;
  const std::string main_stack = MainStack(bytes_of);
  for (UnitKey& key : keys) {
    if (key.layer != UnitKey::kNone && key.stack == main_stack) {
      key.kind = UnitKey::Kind::kLayer;
      key.stack.clear();
    }
  }
  return keys;
}

bool IsValidUnitId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxUnitIdBytes && id.front() != '.' && id.front() != '-' &&
         id.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._#-") ==
             std::string_view::npos &&
         id.find("..") == std::string_view::npos;
}

}  // namespace ecf8
