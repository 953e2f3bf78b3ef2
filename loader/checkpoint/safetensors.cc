#include "loader/checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/strict_json.h"

namespace ecf8 {
namespace {

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr uint64_t kMaxNumber = uint64_t{1} << 63;

absl::Status TensorError(std::string_view name, std::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(name), ": ", ToAbsl(problem)));
}

// Reads the header's JSON into tensors and metadata, as they stand there.
class HeaderEvents final : public JsonEvents {
 public:
  explicit HeaderEvents(SafetensorsHeader& header) : header_(header) {}

  absl::Status BeginObject() override {
    switch (state_) {
      case State::kStart:
        return Enter(State::kRoot);
      case State::kTensorValue:
        fields_seen_ = 0;
        return Enter(State::kTensor);
      case State::kMetadataValue:
        return Enter(State::kMetadata);
      default:
        return Unexpected("an object");
    }
  }

  absl::Status EndObject() override {
    if (state_ == State::kTensor) {
      if (fields_seen_ != (kDTypeField | kShapeField | kOffsetsField)) {
        return TensorError(key_, "needs dtype, shape and data_offsets");
      }
      tensor_.name = key_;
      header_.tensors.push_back(std::exchange(tensor_, SafetensorsTensor()));
    }
    return Enter(state_ == State::kRoot ? State::kEnd : State::kRoot);
  }

  absl::Status BeginArray() override {
    if (state_ == State::kShapeValue) return Enter(State::kShape);
    if (state_ == State::kOffsetsValue) return Enter(State::kOffsets);
    return Unexpected("an array");
  }

  absl::Status EndArray() override {
    if (state_ == State::kOffsets && offset_count_ != 2) {
      return TensorError(key_, "data_offsets are not two numbers");
    }
    return Enter(State::kTensor);
  }

  absl::Status Key(std::string&& key) override {
    switch (state_) {
      case State::kRoot:
        return RootKey(std::move(key));
      case State::kTensor:
        return FieldKey(key);
      default:
        metadata_key_ = std::move(key);
        return Enter(State::kMetadataString);
    }
  }

  absl::Status String(std::string&& value) override {
    if (state_ == State::kMetadataString) {
      if (!header_.metadata.emplace(metadata_key_, std::move(value)).second) {
        return absl::InvalidArgumentError(
            absl::StrCat("__metadata__: the key ", Quoted(metadata_key_), " stands there twice"));
      }
      return Enter(State::kMetadata);
    }
    if (state_ != State::kDTypeValue) return Unexpected("a string");
    const std::optional<DType> dtype = ParseDType(value);
    if (!dtype) return TensorError(key_, absl::StrCat("unknown dtype ", Quoted(value)));
    tensor_.dtype = *dtype;
    return Enter(State::kTensor);
  }

  absl::Status Unsigned(uint64_t value) override {
    if (state_ != State::kShape && state_ != State::kOffsets) return Unexpected("a number");
    if (value > kMaxNumber) return Unexpected("number above 2^63");
    if (state_ == State::kShape) {
      if (tensor_.shape.size() == kMaxSafetensorsRank) {
        return TensorError(key_, absl::StrCat("more than ", kMaxSafetensorsRank, " dimensions"));
      }
      tensor_.shape.push_back(value);
    } else {
      if (offset_count_ == 2) return TensorError(key_, "data_offsets are not two numbers");
      (offset_count_ == 0 ? tensor_.begin : tensor_.end) = value;
      ++offset_count_;
    }
    return absl::OkStatus();
  }

 private:
  enum class State {
    kStart,
    kRoot,
    kMetadataValue,
    kMetadata,
    kMetadataString,
    kTensorValue,
    kTensor,
    kDTypeValue,
    kShapeValue,
    kShape,
    kOffsetsValue,
    kOffsets,
    kEnd,
  };
  static constexpr unsigned kDTypeField = 1;
  static constexpr unsigned kShapeField = 2;
  static constexpr unsigned kOffsetsField = 4;

  absl::Status Enter(State state) {
    state_ = state;
    return absl::OkStatus();
  }

  absl::Status RootKey(std::string&& key) {
    key_ = std::move(key);
    if (key_ != kMetadataKey) return Enter(State::kTensorValue);
    if (header_.has_metadata) return absl::InvalidArgumentError("__metadata__ stands there twice");
    header_.has_metadata = true;
    return Enter(State::kMetadataValue);
  }

  absl::Status FieldKey(std::string_view key) {
    if (key == "dtype") return Field(kDTypeField, key, State::kDTypeValue);
    if (key == "shape") return Field(kShapeField, key, State::kShapeValue);
    offset_count_ = 0;
    if (key == "data_offsets") return Field(kOffsetsField, key, State::kOffsetsValue);
    return TensorError(key_, absl::StrCat("unknown key ", Quoted(key)));
  }

  absl::Status Field(unsigned field, std::string_view key, State state) {
    if ((fields_seen_ & field) != 0) {
      return TensorError(key_, absl::StrCat(ToAbsl(key), " stands there twice"));
    }
    fields_seen_ |= field;
    return Enter(state);
  }

  absl::Status Unexpected(std::string_view what) const override {
    const absl::Status status = JsonEvents::Unexpected(what);
    if (key_ == kMetadataKey) return AddContext(status, kMetadataKey);
    return AddContext(status, absl::StrCat("tensor ", Quoted(key_)));
  }

  SafetensorsHeader& header_;
  State state_ = State::kStart;
  std::string key_;  // of the root: a tensor's name, or __metadata__
  std::string metadata_key_;
  SafetensorsTensor tensor_;
  unsigned fields_seen_ = 0;
  int offset_count_ = 0;
};

absl::Status CheckNoNameTwice(const std::vector<SafetensorsTensor>& tensors) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const SafetensorsTensor& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  return twice == names.end() ? absl::OkStatus() : TensorError(*twice, "stands there twice");
}

// `tensors` are in data order.
absl::Status CheckLayout(const std::vector<SafetensorsTensor>& tensors, uint64_t data_size_bytes) {
  uint64_t expected = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    const std::string offsets = absl::StrCat("data_offsets [", tensor.begin, ", ", tensor.end, "]");
    if (tensor.begin > tensor.end)
      return TensorError(tensor.name, absl::StrCat(offsets, " end before they begin"));
    const std::optional<uint64_t> size_bytes = TensorSizeBytes(tensor.dtype, tensor.shape);
    if (!size_bytes) return TensorError(tensor.name, "its shape has no size in bytes");
    if (*size_bytes != tensor.size_bytes()) {
      return TensorError(tensor.name, absl::StrCat(offsets, " are ", tensor.size_bytes(),
                                                   " bytes, its dtype and shape ", *size_bytes));
    }
    if (tensor.end > data_size_bytes) {
      return TensorError(tensor.name, absl::StrCat(offsets, " reach beyond the ", data_size_bytes,
                                                   " bytes of data in the file"));
    }
    if (tensor.begin != expected) {
      return TensorError(tensor.name,
                         absl::StrCat(offsets, tensor.begin < expected ? " overlap another tensor"
                                                                       : " leave a hole before"));
    }
    expected = tensor.end;
  }
  if (expected != data_size_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the tensors end at byte ", expected,
                                                   " of the data, the file at ", data_size_bytes));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string json,
                                                         uint64_t data_size_bytes) {
  SafetensorsHeader header;
  HeaderEvents events(header);
  ECF8_RETURN_IF_ERROR(ParseStrictJson(json, events));
  header.json = std::move(json);
  ECF8_RETURN_IF_ERROR(CheckNoNameTwice(header.tensors));
  // Stable: empty tensors at one place stay in the order of the JSON.
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
                     return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
                   });
  ECF8_RETURN_IF_ERROR(CheckLayout(header.tensors, data_size_bytes));
  return header;
}

absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(const File& file) {
  ECF8_ASSIGN_OR_RETURN(const uint64_t file_size_bytes, file.SizeBytes());
  const auto not_safetensors = [&file](const std::string& why) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(file.path(), 1024), " is not a safetensors file: ", why));
  };
  std::array<uint8_t, 8> length_bytes{};
  if (file_size_bytes < length_bytes.size()) {
    return not_safetensors(absl::StrCat("it has ", file_size_bytes, " bytes"));
  }
  ECF8_RETURN_IF_ERROR(file.ReadAt(0, absl::MakeSpan(length_bytes)));
  uint64_t length = 0;
  for (size_t i = 0; i < length_bytes.size(); ++i) length |= uint64_t{length_bytes[i]} << (8 * i);
  if (length > kMaxSafetensorsHeaderBytes) {
    return not_safetensors(absl::StrCat("its header would have ", length, " bytes, more than ",
                                        kMaxSafetensorsHeaderBytes));
  }
  if (length > file_size_bytes - length_bytes.size()) {
    return not_safetensors(absl::StrCat("its header would have ", length,
                                        " bytes, but the file ends after ",
                                        file_size_bytes - length_bytes.size()));
  }
  std::string json(length, '\0');
  ECF8_RETURN_IF_ERROR(file.ReadAt(
      length_bytes.size(), absl::MakeSpan(reinterpret_cast<uint8_t*>(json.data()), json.size())));
  auto header =
      ParseSafetensorsHeader(std::move(json), file_size_bytes - length_bytes.size() - length);
  if (!header.ok()) return AddContext(header.status(), Quoted(file.path(), 1024));
  return header;
}

std::string WriteSafetensorsJson(const std::vector<SafetensorsTensor>& tensors,
                                 const std::map<std::string, std::string>* metadata) {
  std::string json = "{";
  if (metadata != nullptr) {
    absl::StrAppend(&json, JsonQuoted(kMetadataKey), ":{");
    for (const auto& [key, value] : *metadata) {
      absl::StrAppend(&json, json.back() == '{' ? "" : ",", JsonQuoted(key), ":",
                      JsonQuoted(value));
    }
    json += '}';
  }
  for (const SafetensorsTensor& tensor : tensors) {
    absl::StrAppend(&json, json.size() == 1 ? "" : ",", JsonQuoted(tensor.name), ":{\"dtype\":\"",
                    ToAbsl(DTypeName(tensor.dtype)), "\",\"shape\":[",
                    absl::StrJoin(tensor.shape, ","), "],\"data_offsets\":[", tensor.begin, ",",
                    tensor.end, "]}");
  }
  json += '}';
  return json;
}

}  // namespace ecf8
