#include "loader/checkpoint/weight_index.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/strict_json.h"

namespace ecf8 {
namespace {

constexpr std::string_view kWeightMapKey = "weight_map";
constexpr size_t kMaxFileNameBytes = 255;

class IndexEvents final : public JsonEvents {
 public:
  explicit IndexEvents(WeightIndex& index) : index_(index) {}

  bool has_weight_map() const { return has_weight_map_; }

  absl::Status BeginObject() override {
    if (in_weight_map_) return Unexpected("an object");
    ++depth_;
    in_weight_map_ = depth_ == 2 && key_ == kWeightMapKey;
    return absl::OkStatus();
  }

  absl::Status EndObject() override {
    --depth_;
    in_weight_map_ = false;
    return absl::OkStatus();
  }

  absl::Status BeginArray() override {
    if (ExpectsWeightMap()) return Unexpected("an array");
    ++depth_;
    return absl::OkStatus();
  }

  absl::Status EndArray() override {
    --depth_;
    return absl::OkStatus();
  }

  absl::Status Key(std::string&& key) override {
    if (depth_ == 1 && key == kWeightMapKey && std::exchange(has_weight_map_, true)) {
      return absl::InvalidArgumentError("weight_map stands there twice");
    }
    if (depth_ == 1 || in_weight_map_) key_ = std::move(key);
    return absl::OkStatus();
  }

  absl::Status String(std::string&& value) override {
    if (!in_weight_map_) return Other("a string");
    if (!IsShardName(value)) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(key_), ": ", Quoted(value),
                                                     " is not the name of a .safetensors file"));
    }
    if (!index_.shard_of.emplace(key_, std::move(value)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", Quoted(key_), " stands there twice"));
    }
    return absl::OkStatus();
  }

  absl::Status Unsigned(uint64_t /*value*/) override { return Other("a number"); }

  absl::Status Other(std::string_view what) override {
    return ExpectsWeightMap() ? Unexpected(what) : absl::OkStatus();
  }

 private:
  bool ExpectsWeightMap() const { return in_weight_map_ || (depth_ == 1 && key_ == kWeightMapKey); }

  absl::Status Unexpected(std::string_view what) const override {
    return AddContext(JsonEvents::Unexpected(what), kWeightMapKey);
  }

  WeightIndex& index_;
  std::string key_;  // the last one of the root or of the weight map
  int depth_ = 0;    // of open objects and arrays
  bool in_weight_map_ = false;
  bool has_weight_map_ = false;
};

}  // namespace

absl::StatusOr<WeightIndex> ParseWeightIndex(std::string_view json) {
  WeightIndex index;
  IndexEvents events(index);
  ECF8_RETURN_IF_ERROR(ParseStrictJson(json, events));
  if (!events.has_weight_map()) return absl::InvalidArgumentError("it has no weight_map");
  return index;
}

absl::StatusOr<WeightIndex> ReadWeightIndex(const File& file) {
  ECF8_ASSIGN_OR_RETURN(const uint64_t size_bytes, file.SizeBytes());
  if (size_bytes > kMaxWeightIndexBytes) {
    return absl::InvalidArgumentError(absl::StrCat(Quoted(file.path(), 1024), " has ", size_bytes,
                                                   " bytes, more than an index may have (",
                                                   kMaxWeightIndexBytes, ")"));
  }
  std::string json(size_bytes, '\0');
  ECF8_RETURN_IF_ERROR(
      file.ReadAt(0, absl::MakeSpan(reinterpret_cast<uint8_t*>(json.data()), json.size())));
  auto index = ParseWeightIndex(json);
  if (!index.ok()) return AddContext(index.status(), Quoted(file.path(), 1024));
  return index;
}

bool IsShardName(std::string_view name) {
  return name.size() <= kMaxFileNameBytes && name.ends_with(".safetensors") &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos &&
         name.find("..") == std::string_view::npos && IsValidUtf8(name);
}

}  // namespace ecf8
