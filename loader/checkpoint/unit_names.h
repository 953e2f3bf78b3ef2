// Which unit a tensor belongs to, deduced from its name.
//
// The Llama, Qwen, Mistral, Mixtral, DeepSeek and BERT families (and others built alike) number
// their layers in the name: a *stack* is the path before the first number ("model.layers",
// "encoder.layer", "transformer.h"). The main stack's units are "layers.N" and
// "layers.N.experts.M"; another stack's keep its path ("vision_tower.encoder.layers.N"). Embeddings
// are "embed", output heads "head" (both by a component of the name that stands before any number),
// the rest, and every name that does not fit into a unit id or has a number above 2^31-1 or with a
// leading zero in a number's place, "misc".
#ifndef ECF8_LOADER_CHECKPOINT_UNIT_NAMES_H_
#define ECF8_LOADER_CHECKPOINT_UNIT_NAMES_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ecf8 {

// Tensors that begin with it are ecf8's own (manifest, tables, padding), never a model's.
inline constexpr std::string_view kReservedPrefix = "__ecf8__";

// Sorts in walk order: embed, the main stack's layers (each before its experts), other stacks,
// misc, head.
struct UnitKey {
  enum class Kind : uint8_t { kEmbed, kLayer, kOtherLayer, kMisc, kHead };
  static constexpr int64_t kNone = -1;

  Kind kind = Kind::kMisc;
  std::string stack;  // kOtherLayer only
  int64_t layer = kNone;
  int64_t expert = kNone;

  // clang-tidy 14 takes the 0 in the code that the compiler writes here for ours.
  auto operator<=>(const UnitKey&) const = default;  // NOLINT(modernize-use-nullptr)

  // "layers.17.experts.203". Stable: never changes between versions.
  std::string Id() const;
};

struct NamedSize {
  std::string_view name;
  uint64_t size_bytes = 0;
};

// One key a tensor, in the order given. Needs all of the model's tensors, to tell the main stack:
// the known one ("model.layers" and its kin), else the one with the most bytes, else the first by
// name.
std::vector<UnitKey> AssignUnits(const std::vector<NamedSize>& tensors);

// True for a unit id: 1 to 128 of [A-Za-z0-9._#-], no ".." in it, neither '.' nor '-' in front: it
// serves as a file's name and as a program's argument.
bool IsValidUnitId(std::string_view id);

}  // namespace ecf8

#endif  // ECF8_LOADER_CHECKPOINT_UNIT_NAMES_H_
