#include "python/src/native/files.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/model/compress.h"
#include "loader/model/compressed_model.h"
#include "loader/model/save_tensors.h"
#include "loader/model/tensor_reader.h"
#include "python/src/native/errors.h"

namespace ecf8::python {
namespace {

namespace nb = nanobind;
using namespace nb::literals;

template <typename Byte>
using Bytes = nb::ndarray<Byte, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <typename Byte>
absl::Span<Byte> SpanOf(const Bytes<Byte>& bytes) {
  return {bytes.data(), bytes.size()};
}

// Several files that were saved one by one into a directory are as many models; the first of them
// would be taken for all.
absl::Status CheckIsOnlyModel(const ModelDirectory& directory, const CompressedModel& model) {
  ECF8_ASSIGN_OR_RETURN(const std::vector<std::string> files, directory.ListShardFiles());
  for (const std::string& file : files) {
    const auto is_it = [&file](const Shard& shard) { return shard.file_name == file; };
    if (std::any_of(model.shards().begin(), model.shards().end(), is_it)) continue;
    const absl::StatusOr<Shard> other = OpenShard(directory, file);
    if (!other.ok() || !other->manifest.directory) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        Quoted(directory.path()), " holds two models, ", Quoted(model.shards()[0].file_name),
        " and ", Quoted(file), ": open their files one by one"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const CompressedModel>> OpenPath(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return CompressedModel::OpenFile(path);
  ECF8_ASSIGN_OR_RETURN(const ModelDirectory directory, ModelDirectory::Open(path));
  ECF8_ASSIGN_OR_RETURN(auto model, CompressedModel::Open(directory));
  ECF8_RETURN_IF_ERROR(CheckIsOnlyModel(directory, *model));
  return model;
}

// A model's tensors by name. Immutable.
class TensorFile {
 public:
  explicit TensorFile(std::shared_ptr<const CompressedModel> model)
      : model_(std::move(model)), tensors_(ListTensors(*model_)) {
    for (size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
  }

  const CompressedModel& model() const { return *model_; }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }

  const StoredTensor& Find(const std::string& name) const {
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) return tensors_[found->second];
    Raise(absl::NotFoundError(
        absl::StrCat("model ", Quoted(model_->name()), " has no tensor ", Quoted(name))));
  }

 private:
  std::shared_ptr<const CompressedModel> model_;
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string_view, size_t> by_name_;
};

std::shared_ptr<TensorFile> Open(const std::string& path) {
  absl::StatusOr<std::shared_ptr<const CompressedModel>> model;
  {
    const nb::gil_scoped_release release;
    model = OpenPath(path);
  }
  return std::make_shared<TensorFile>(ValueOrRaise(std::move(model)));
}

using RangeArgument = std::tuple<std::string, uint64_t, Bytes<uint8_t>>;

void Read(const TensorFile& file, const std::vector<RangeArgument>& wanted, int threads) {
  std::vector<TensorRange> ranges;
  for (const auto& [name, offset_bytes, out] : wanted) {
    ranges.push_back({name, offset_bytes, SpanOf(out)});
  }
  SignalWatch signals;
  absl::Status status;
  {
    const nb::gil_scoped_release release;
    TensorReadOptions options;
    options.threads = threads;
    options.poll = [&signals] { return signals.Poll(); };
    status = ReadTensors(file.model(), ranges, options);
  }
  signals.RaiseIfError(status);
}

using SaveArgument =
    std::tuple<std::string, std::string, std::vector<uint64_t>, Bytes<const uint8_t>>;

void Save(const std::vector<SaveArgument>& tensors,
          const std::map<std::string, std::string>& metadata, const std::string& path,
          int threads) {
  std::vector<TensorToSave> to_save;
  for (const auto& [name, dtype_name, shape, bytes] : tensors) {
    const std::optional<DType> dtype = ParseDType(dtype_name);
    if (!dtype) Raise(absl::InvalidArgumentError(absl::StrCat("no dtype ", Quoted(dtype_name))));
    to_save.push_back({name, *dtype, shape, SpanOf(bytes)});
  }
  absl::Status status;
  {
    const nb::gil_scoped_release release;
    status = SaveTensors(to_save, metadata, path, threads);
  }
  RaiseIfError(status);
}

std::pair<uint64_t, uint64_t> Compress(const std::string& source, const std::string& destination,
                                       int threads, bool replace) {
  SignalWatch signals;
  std::atomic<bool> cancel = false;
  absl::StatusOr<CompressSummary> summary;
  {
    const nb::gil_scoped_release release;
    JobOptions options;
    options.threads = threads;
    options.replace = replace;
    options.progress = [&](const Progress&) {
      if (!signals.Poll().ok()) cancel = true;
    };
    options.cancel = &cancel;
    summary = CompressModel(source, destination, options);
  }
  signals.RaiseIfError(summary.status());
  return {summary->raw_bytes, summary->stored_bytes};
}

}  // namespace

void BindFiles(nb::module_& module) {
  nb::class_<TensorFile>(module, "TensorFile")
      .def_static("open", &Open, "path"_a, "A model's directory, or one shard of it by its file.")
      .def(
          "names",
          [](const TensorFile& file) {
            std::vector<std::string> names;
            for (const StoredTensor& tensor : file.tensors()) names.emplace_back(tensor.name);
            return names;
          },
          "Of every tensor, in the order of their bytes.")
      .def(
          "dtype",
          [](const TensorFile& file, const std::string& name) {
            return std::string(DTypeName(file.Find(name).dtype));
          },
          "name"_a, "As safetensors spells it: \"F8_E4M3\".")
      .def(
          "shape",
          [](const TensorFile& file, const std::string& name) {
            const absl::Span<const uint64_t> shape = file.Find(name).shape;
            return std::vector<uint64_t>(shape.begin(), shape.end());
          },
          "name"_a)
      .def(
          "size_bytes",
          [](const TensorFile& file, const std::string& name) {
            return file.Find(name).size_bytes;
          },
          "name"_a, "Decoded.")
      .def("metadata",
           [](const TensorFile& file) { return file.model().shards()[0].header.metadata; })
      .def_prop_ro("digest", [](const TensorFile& file) { return file.model().digest(); })
      .def("read", &Read, nb::arg("ranges").noconvert(), "threads"_a,
           "Fills the memory of each (name, offset_bytes, memory), decoding in so many threads (0: "
           "one a core) without the GIL.");
  module.def("save", &Save, nb::arg("tensors").noconvert(), "metadata"_a, "path"_a, "threads"_a,
             "Writes a file of (name, dtype, shape, memory)s.");
  module.def("compress", &Compress, "source"_a, "destination"_a, "threads"_a, "replace"_a,
             "Returns the sizes before and after, in bytes.");
}

}  // namespace ecf8::python
