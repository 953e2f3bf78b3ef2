#include "loader/cache/trace.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/cache/byte_stream.h"

namespace ecf8 {
namespace {

constexpr char kMagic[8] = {'E', 'C', 'F', '8', 'T', 'R', 'C', '\0'};
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 32;
constexpr size_t kUnitBytes = 22;  // without the id
constexpr size_t kRecordBytes = 16;
constexpr size_t kBufferBytes = size_t{1} << 20;

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the trace is damaged: ", what));
}

absl::Status CheckUnit(const TraceUnit& unit) {
  if (unit.id.empty() || unit.id.size() > kMaxTraceIdBytes || !IsValidUtf8(unit.id)) {
    return absl::InvalidArgumentError("a unit's id is empty, too long or no UTF-8");
  }
  if (std::max(unit.stored_size_bytes, unit.decoded_size_bytes) > kMaxTraceUnitBytes) {
    return absl::InvalidArgumentError("a unit is too large");
  }
  return absl::OkStatus();
}

absl::Status ParseModel(ByteReader& reader, TraceModel& model) {
  model.digest = reader.U64();
  const uint32_t count = reader.U32();
  if (!reader.ok() || count > kMaxTraceUnits || count > reader.left() / kUnitBytes) {
    return Damaged("a model has more units than the file");
  }
  model.units.resize(count);
  for (TraceUnit& unit : model.units) {
    unit.stored_size_bytes = reader.U64();
    unit.decoded_size_bytes = reader.U64();
    unit.layer = reader.U32();
    const uint8_t expert = reader.U8();
    unit.expert = expert == 1;
    unit.id = reader.Text(reader.U8());
    if (!reader.ok() || expert > 1) return Damaged("a unit's entry is cut short or wrong");
    const absl::Status status = CheckUnit(unit);
    if (!status.ok()) return Damaged(status.message());
  }
  return absl::OkStatus();
}

absl::Status ParseRecords(absl::Span<const uint8_t> bytes, Trace& trace) {
  trace.records.reserve(bytes.size() / kRecordBytes);
  for (; bytes.size() >= kRecordBytes; bytes.remove_prefix(kRecordBytes)) {
    TraceRecord record;
    record.time_us = LoadLe64(bytes.data());
    record.unit = LoadLe32(bytes.data() + 8);
    record.model = LoadLe16(bytes.data() + 12);
    record.access = static_cast<Access>(bytes[14]);
    if (record.model >= trace.models.size() ||
        record.unit >= trace.models[record.model].units.size()) {
      return Damaged("a record names a unit that is not there");
    }
    if (bytes[14] > static_cast<uint8_t>(Access::kPreload) || bytes[15] != 0) {
      return Damaged("a record has an unknown kind");
    }
    trace.records.push_back(record);
  }
  return absl::OkStatus();
}

std::vector<uint8_t> HeaderAndTables(const std::vector<TraceModel>& models) {
  ByteWriter tables;
  for (const TraceModel& model : models) {
    tables.U64(model.digest);
    tables.U32(static_cast<uint32_t>(model.units.size()));
    for (const TraceUnit& unit : model.units) {
      tables.U64(unit.stored_size_bytes);
      tables.U64(unit.decoded_size_bytes);
      tables.U32(unit.layer);
      tables.U8(unit.expert ? 1 : 0);
      tables.U8(static_cast<uint8_t>(unit.id.size()));
      tables.Text(unit.id);
    }
  }
  ByteWriter all;
  all.Text({kMagic, sizeof(kMagic)});
  all.U32(kVersion);
  all.U32(static_cast<uint32_t>(models.size()));
  all.U64(tables.bytes().size());
  all.U64(Xxh3(tables.bytes()));
  all.Bytes(tables.bytes());
  return std::move(all).Take();
}

}  // namespace

absl::StatusOr<Trace> ParseTrace(absl::Span<const uint8_t> bytes) {
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0) {
    return absl::DataLossError("the file is no ecf8 trace");
  }
  ByteReader header(bytes.subspan(sizeof(kMagic), kHeaderBytes - sizeof(kMagic)));
  if (header.U32() != kVersion) {
    return absl::UnimplementedError("the trace is of another version of ecf8");
  }
  const uint32_t model_count = header.U32();
  const uint64_t tables_size_bytes = header.U64();
  if (model_count > kMaxTraceModels || tables_size_bytes > bytes.size() - kHeaderBytes) {
    return Damaged("its tables do not fit into it");
  }
  const auto tables = bytes.subspan(kHeaderBytes, tables_size_bytes);
  if (Xxh3(tables) != header.U64()) return Damaged("its tables do not match their checksum");
  ByteReader reader(tables);
  Trace trace;
  trace.models.resize(model_count);
  for (TraceModel& model : trace.models) ECF8_RETURN_IF_ERROR(ParseModel(reader, model));
  if (reader.left() != 0) return Damaged("its tables are followed by something else");
  ECF8_RETURN_IF_ERROR(ParseRecords(bytes.subspan(kHeaderBytes + tables_size_bytes), trace));
  return trace;
}

absl::StatusOr<Trace> ReadTrace(const std::string& path) {
  ECF8_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, ReadWhole(path, kMaxTraceFileBytes));
  absl::StatusOr<Trace> trace = ParseTrace(bytes);
  if (!trace.ok()) return AddContext(trace.status(), Quoted(path));
  return trace;
}

TraceWriter::TraceWriter(File file, std::vector<uint8_t> tables)
    : file_(std::move(file)), buffer_(std::move(tables)) {}

absl::StatusOr<TraceWriter> TraceWriter::Create(const std::string& path,
                                                const std::vector<TraceModel>& models) {
  if (models.size() > kMaxTraceModels) {
    return absl::InvalidArgumentError("a trace has at most 64 models");
  }
  for (const TraceModel& model : models) {
    if (model.units.size() > kMaxTraceUnits) {
      return absl::InvalidArgumentError("a model in a trace has at most 2^20 units");
    }
    for (const TraceUnit& unit : model.units) ECF8_RETURN_IF_ERROR(CheckUnit(unit));
  }
  ECF8_ASSIGN_OR_RETURN(File file, File::CreateForWrite(path));
  TraceWriter writer(std::move(file), HeaderAndTables(models));
  ECF8_RETURN_IF_ERROR(writer.Flush());
  return writer;
}

absl::Status TraceWriter::Append(const TraceRecord& record) {
  if (offset_bytes_ + buffer_.size() + kRecordBytes > kMaxTraceFileBytes) {
    return absl::ResourceExhaustedError("the trace has reached its largest size");
  }
  uint8_t bytes[kRecordBytes] = {};
  StoreLe64(bytes, record.time_us);
  StoreLe32(bytes + 8, record.unit);
  StoreLe16(bytes + 12, record.model);
  bytes[14] = static_cast<uint8_t>(record.access);
  buffer_.insert(buffer_.end(), std::begin(bytes), std::end(bytes));
  return buffer_.size() < kBufferBytes ? absl::OkStatus() : Flush();
}

absl::Status TraceWriter::Flush() {
  ECF8_RETURN_IF_ERROR(file_.WriteAt(offset_bytes_, buffer_));
  offset_bytes_ += buffer_.size();
  buffer_.clear();
  return absl::OkStatus();
}

}  // namespace ecf8
