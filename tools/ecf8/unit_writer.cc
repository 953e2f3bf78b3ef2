#include "tools/ecf8/unit_writer.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <map>
#include <utility>

#include "absl/status/statusor.h"
#include "decoder/status_macros.h"
#include "loader/checkpoint/dtype.h"
#include "loader/checkpoint/safetensors.h"
#include "nlohmann/json.hpp"
#include "tools/ecf8/wire_json.h"

namespace ecf8 {
namespace {

class SafetensorsWriter final : public UnitWriter {
 public:
  explicit SafetensorsWriter(std::string directory) : directory_(std::move(directory)) {}

  absl::Status Begin(const v1::Unit& unit) override {
    const std::string head = Layout(unit);
    ECF8_ASSIGN_OR_RETURN(StagedFile file,
                          StagedFile::Create(directory_, unit.id() + ".safetensors"));
    file_.emplace(std::move(file));
    return file_->WriteAt(0, head);
  }

  absl::Status Data(uint64_t offset_bytes, std::string_view data) override {
    // Data comes in order, within one tensor a message.
    while (current_ + 1 < places_.size() && offset_bytes >= places_[current_ + 1].in_unit)
      ++current_;
    const Place& place = places_[current_];
    return file_->WriteAt(place.in_file + (offset_bytes - place.in_unit), data);
  }

  absl::Status End() override {
    absl::Status status = file_->Commit();
    file_.reset();
    return status;
  }

 private:
  struct Place {
    uint64_t in_unit = 0;  // where a tensor's bytes begin
    uint64_t in_file = 0;
  };

  // Notes where each tensor goes; returns the file's first bytes.
  std::string Layout(const v1::Unit& unit);

  std::string directory_;
  std::optional<StagedFile> file_;
  std::vector<Place> places_;  // of the tensors that have bytes
  size_t current_ = 0;
};

std::string PartMetadata(const v1::Tensor& tensor, uint64_t whole_bytes) {
  nlohmann::ordered_json json;
  json["dtype"] = tensor.dtype();
  json["shape"] = std::vector<uint64_t>(tensor.shape().begin(), tensor.shape().end());
  json["offset_bytes"] = tensor.tensor_offset_bytes();
  json["size_bytes"] = whole_bytes;
  return json.dump();
}

std::string SafetensorsWriter::Layout(const v1::Unit& unit) {
  std::vector<SafetensorsTensor> tensors;
  std::map<std::string, std::string> metadata;
  uint64_t end = 0;
  places_.clear();
  current_ = 0;
  for (const v1::Tensor& tensor : unit.tensors()) {
    SafetensorsTensor out;
    out.name = tensor.name();
    out.dtype = ParseDType(tensor.dtype()).value_or(DType::kU8);
    out.shape.assign(tensor.shape().begin(), tensor.shape().end());
    const uint64_t whole_bytes = TensorSizeBytes(out.dtype, out.shape).value_or(0);
    if (whole_bytes != tensor.size_bytes()) {
      metadata["ecf8.part." + tensor.name()] = PartMetadata(tensor, whole_bytes);
      out.dtype = DType::kU8;
      out.shape = {tensor.size_bytes()};
    }
    out.begin = end;
    end += tensor.size_bytes();
    out.end = end;
    if (tensor.size_bytes() > 0) places_.push_back({tensor.decoded_offset_bytes(), out.begin});
    tensors.push_back(std::move(out));
  }
  std::string json = WriteSafetensorsJson(tensors, metadata.empty() ? nullptr : &metadata);
  json.append((8 - json.size() % 8) % 8, ' ');  // the data begins on 8 bytes, as safetensors has it
  std::string head;
  for (int shift = 0; shift < 64; shift += 8)
    head += static_cast<char>(json.size() >> shift & 0xFF);
  head += json;
  for (Place& place : places_) place.in_file += head.size();
  return head;
}

class StoredWriter final : public UnitWriter {
 public:
  explicit StoredWriter(std::string directory) : directory_(std::move(directory)) {}

  absl::Status Begin(const v1::Unit& unit) override {
    unit_ = unit;
    ECF8_ASSIGN_OR_RETURN(StagedFile file, StagedFile::Create(directory_, unit.id() + ".ecf8unit"));
    file_.emplace(std::move(file));
    return absl::OkStatus();
  }

  absl::Status Data(uint64_t offset_bytes, std::string_view data) override {
    return file_->WriteAt(offset_bytes, data);
  }

  absl::Status End() override {
    ECF8_RETURN_IF_ERROR(file_->Commit());
    file_.reset();
    ECF8_ASSIGN_OR_RETURN(StagedFile description,
                          StagedFile::Create(directory_, unit_.id() + ".json"));
    ECF8_RETURN_IF_ERROR(description.WriteAt(0, ToJson(unit_).dump(2) + "\n"));
    return description.Commit();
  }

 private:
  std::string directory_;
  v1::Unit unit_;
  std::optional<StagedFile> file_;
};

}  // namespace

absl::StatusOr<StagedFile> StagedFile::Create(const std::string& directory,
                                              const std::string& name) {
  const std::string staged = directory + "/." + name + "." + std::to_string(getpid()) + ".partial";
  ECF8_ASSIGN_OR_RETURN(File file, File::CreateForWrite(staged));
  return StagedFile(std::move(file), staged, directory + "/" + name);
}

StagedFile::StagedFile(File file, std::string staged, std::string path)
    : file_(std::move(file)), staged_(std::move(staged)), path_(std::move(path)) {}

StagedFile::StagedFile(StagedFile&& other) noexcept
    : file_(std::move(other.file_)),
      staged_(std::exchange(other.staged_, std::string())),
      path_(std::move(other.path_)) {}

StagedFile::~StagedFile() {
  if (!staged_.empty()) unlink(staged_.c_str());
}

absl::Status StagedFile::WriteAt(uint64_t offset_bytes, std::string_view bytes) {
  return file_.WriteAt(offset_bytes,
                       {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

absl::Status StagedFile::Commit() {
  ECF8_RETURN_IF_ERROR(file_.Sync());
  if (std::rename(staged_.c_str(), path_.c_str()) != 0) {
    return ErrnoStatus(errno, "could not rename " + staged_ + " to " + path_);
  }
  staged_.clear();
  return absl::OkStatus();
}

std::unique_ptr<UnitWriter> MakeUnitWriter(const std::string& directory, v1::Form form) {
  if (form == v1::FORM_STORED) return std::make_unique<StoredWriter>(directory);
  return std::make_unique<SafetensorsWriter>(directory);
}

}  // namespace ecf8
