// Makes the files of this directory: make_model_golden DIRECTORY. See README.md.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "decoder/checksum.h"
#include "loader/model/compress.h"
#include "loader/model/manifest.h"
#include "loader/model/original.h"
#include "loader/model/shard.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using testing::FakeE4M3;
using testing::FakeE5M2;
using testing::NoiseBytes;
using testing::PlainFile;
using testing::ReadTree;

constexpr char kShard[] = "model.safetensors";

void Put(const std::string& path, const std::string& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

absl::Span<const uint8_t> AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// One line a file: XXH3, size, path.
std::string Expectation(const std::string& directory) {
  std::string text;
  for (const auto& [path, bytes] : ReadTree(directory)) {
    text += absl::StrFormat("%016x %d %s\n", Xxh3(AsBytes(bytes)), bytes.size(), path);
  }
  return text;
}

bool MakeValid(const std::string& plain, const std::string& out, const std::string& name,
               uint64_t shard_size_bytes) {
  JobOptions options;
  options.shard_size_bytes = shard_size_bytes;
  options.replace = true;
  const auto summary = CompressModel(plain, out + "/valid/" + name, options);
  if (!summary.ok()) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), summary.status().ToString().c_str());
    return false;
  }
  Put(out + "/valid/" + name + ".expected", Expectation(plain));
  return true;
}

void WriteMinimal(const std::string& directory) {
  PlainFile file;
  file.Add("layers.0.coded", "F8_E4M3", {4099}, FakeE4M3(4099, 1));
  file.Add("layers.0.raw", "BF16", {5}, NoiseBytes(10, 2));
  file.Add("layers.1.raw", "U8", {7}, NoiseBytes(7, 3));
  Put(directory + "/" + kShard, file.Bytes());
  Put(directory + "/note.txt", "a file\n");
}

// The shard with another manifest and a header that fits it; checksums are right.
std::string WithManifest(const std::string& directory,
                         const std::function<void(Manifest&)>& change) {
  auto shard = OpenShard(*ModelDirectory::Open(directory), kShard);
  Manifest manifest = shard->manifest;
  change(manifest);
  const std::string bytes = ReadTree(directory)[kShard];
  std::vector<SafetensorsTensor> entries = shard->header.tensors;
  const size_t size = SerializeManifest(manifest)->size();
  entries.back().end = entries.back().begin + size;
  entries.back().shape = {size};
  std::string json = WriteSafetensorsJson(entries, &shard->header.metadata);
  json.resize(shard->header.json.size(), ' ');
  const std::string head = SafetensorsHead(json);
  manifest.header_xxh3 = Xxh3(AsBytes(head));
  return head + bytes.substr(head.size(), shard->manifest_offset_bytes - head.size()) +
         *SerializeManifest(manifest);
}

void MakeRejects(const std::string& minimal, const std::string& out) {
  const std::map<std::string, std::function<void(Manifest&)>> lies = {
      {"codec-unknown", [](Manifest& m) { m.units[0].pieces[0].codec = static_cast<Codec>(7); }},
      {"dtype-unknown", [](Manifest& m) { m.units[0].pieces[1].dtype = static_cast<DType>(70); }},
      {"path-above", [](Manifest& m) { m.directory->files[0].path = "../note.txt"; }},
      {"path-absolute", [](Manifest& m) { m.directory->files[0].path = "/tmp/note.txt"; }},
      {"original-path-above", [](Manifest& m) { m.directory->originals[0].path = "../../x"; }},
      {"units-overlap", [](Manifest& m) { m.units[1].offset_bytes = m.units[0].offset_bytes; }},
      {"unit-in-the-header", [](Manifest& m) { m.units[0].offset_bytes = 0; }},
      {"unit-behind-the-end", [](Manifest& m) { m.units[1].offset_bytes = 1ull << 40; }},
      {"chunk-size-wrong",
       [](Manifest& m) { m.units[0].pieces[0].chunks[0].stored_size_bytes -= 16; }},
      {"tables-fewer", [](Manifest& m) { m.units[0].table_sets[0].table_count = 8; }},
      {"tensor-missing", [](Manifest& m) { m.units[0].pieces.pop_back(); }},
      {"tensor-of-another-shape",
       [](Manifest& m) {
         m.units[0].pieces[1].shape = {1, 5};
       }},
      {"shard-missing",
       [](Manifest& m) {
         m.shard_count = 2;
         m.directory->shards.push_back({"other.safetensors", 5000, 1});
       }},
  };
  for (const auto& [name, lie] : lies) {
    const std::string directory = absl::StrCat(out, "/must_reject/", name);
    std::filesystem::copy(minimal, directory);
    Put(directory + "/" + kShard, WithManifest(minimal, lie));
  }
  const std::string bytes = ReadTree(minimal)[kShard];
  const auto shard = OpenShard(*ModelDirectory::Open(minimal), kShard);
  const auto damage = [&](const std::string& name, const std::string& damaged) {
    std::filesystem::copy(minimal, out + "/must_reject/" + name);
    Put(out + "/must_reject/" + name + "/" + kShard, damaged);
  };
  const auto flipped = [&](uint64_t byte) {
    std::string copy = bytes;
    copy[byte] = static_cast<char>(copy[byte] ^ 0x10);
    return copy;
  };
  const Unit& unit = shard->manifest.units[0];
  damage("flip-header", flipped(30));
  damage("flip-header-spaces", flipped(unit.offset_bytes - 1));
  damage("flip-tables", flipped(unit.offset_bytes + 5));
  damage("flip-chunk", flipped(unit.offset_bytes + unit.pieces[0].stored_offset_bytes + 100));
  damage("flip-padding", flipped(unit.offset_bytes + unit.stored_size_bytes));
  damage("flip-manifest", flipped(shard->manifest_offset_bytes + 40));
  damage("flip-checksum", flipped(shard->size_bytes - 1));
  damage("version-2", flipped(shard->manifest_offset_bytes + 8));
  damage("truncated", bytes.substr(0, bytes.size() - 9));
  damage("trailing-byte", bytes + '\0');
  damage("header-of-4-gb", std::string("\0\0\0\0\1\0\0\0", 8) + bytes.substr(8));
}

bool Make(const std::string& out) {
  const std::string plain = out + "/plain.tmp";
  std::filesystem::remove_all(out + "/valid");
  std::filesystem::remove_all(out + "/must_reject");
  testing::WriteTinyModel(plain + "/tiny");
  WriteMinimal(plain + "/minimal");
  Put(plain + "/empty/model.safetensors", PlainFile().Bytes());
  PlainFile e5m2;
  e5m2.Add("w", "F8_E5M2", {5, 1001}, FakeE5M2(5005, 4));
  Put(plain + "/e5m2/weights.safetensors", e5m2.Bytes());
  std::filesystem::create_directories(out + "/valid");
  const bool made = MakeValid(plain + "/tiny", out, "tiny", 15'000) &&
                    MakeValid(plain + "/minimal", out, "minimal", 1 << 30) &&
                    MakeValid(plain + "/empty", out, "empty", 1 << 30) &&
                    MakeValid(plain + "/e5m2", out, "e5m2", 1 << 30);
  std::filesystem::create_directories(out + "/must_reject");
  if (made) MakeRejects(out + "/valid/minimal", out);
  std::filesystem::remove_all(plain);
  return made;
}

}  // namespace
}  // namespace ecf8

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_model_golden DIRECTORY\n");
    return 2;
  }
  return ecf8::Make(argv[1]) ? 0 : 1;
}
